"""Check this machine for what a run needs: each finding says what, why it matters, and the command that mends it."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.shell import settings as env
from atvm_pipeline.shell.files import make_folder
from atvm_pipeline.shell.reading import TERMINAL, builds, live, posts_pending, read_state
from atvm_pipeline.shell.records import Paths
from atvm_pipeline.shell.refusals import DONE, NO
from atvm_pipeline.shell.supervisor import choose
from atvm_pipeline.shell.webhook import Webhook

from .common import add_state_root, environment, state_root
from .page import print_json

FREE_BYTES_MIN = 256 * 1024 * 1024
INSTANCES_MIN = 32
WATCHES_MIN = 8192
LIMITS = Path("/proc/sys/fs/inotify")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    check: str
    ok: bool
    text: str
    why: str = ""
    mend: str = ""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true")
    add_state_root(parser)


def run(args: argparse.Namespace) -> int:
    """Check.  0 if nothing is wrong, 1 if something is."""
    environ = environment()
    root = state_root(args, environ)
    checks: tuple[Callable[[Mapping[str, str], Path], list[Finding]], ...] = (
        _python,
        _bash,
        _webhook,
        _env_file,
        _state_root,
        _settings,
        _inotify,
        _supervisor,
        _runs,
    )
    findings = [finding for check in checks for finding in check(environ, root)]
    bad = [finding for finding in findings if not finding.ok]
    if args.json:
        print_json({"ok": not bad, "findings": [msgspec.to_builtins(finding) for finding in findings]})
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'BAD '} {finding.check}: {finding.text}")
            if not finding.ok:
                print(f"       why: {finding.why}\n       mend: {finding.mend}")
    return NO if bad else DONE


def _python(_environ: Mapping[str, str], _root: Path) -> list[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return [Finding(check="python", ok=True, text=f"{version} at {sys.executable}")]


def _bash(_environ: Mapping[str, str], _root: Path) -> list[Finding]:
    bash = shutil.which("bash")
    return [
        Finding(
            check="bash",
            ok=bash is not None,
            text=bash or "not found",
            why="template and runner commands run in bash",
            mend="install the package bash",
        )
    ]


def _webhook(environ: Mapping[str, str], _root: Path) -> list[Finding]:
    why = "without it no message can be sent, and a start is refused"
    mend = (
        "put MATTERMOST_ATVM_WEBHOOK=https://<server>/hooks/<id> into /etc/atvm-run-watcher.env (mode 0600)"
    )
    text = environ.get("MATTERMOST_ATVM_WEBHOOK", "")
    if not text.strip():
        return [
            Finding(check="webhook", ok=False, text="MATTERMOST_ATVM_WEBHOOK is not set", why=why, mend=mend)
        ]
    try:
        webhook = Webhook.parse(text)
    except ConfigError as error:
        return [Finding(check="webhook", ok=False, text=str(error), why=why, mend=mend)]
    if webhook.insecure:
        text = f"{webhook.place} is not encrypted"
        return [
            Finding(
                check="webhook",
                ok=False,
                text=text,
                why="the secret crosses the network in clear text",
                mend="use https",
            )
        ]
    return [Finding(check="webhook", ok=True, text=f"well formed, at {webhook.place}")]


def _env_file(environ: Mapping[str, str], _root: Path) -> list[Finding]:
    path = Path(environ.get("ATVM_WATCHER_ENV_FILE") or env.ENV_FILE)
    try:
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        return [
            Finding(
                check="environment file",
                ok=True,
                text=f"{path} is not there; the process environment is used",
            )
        ]
    except OSError as error:
        return [
            Finding(check="environment file", ok=True, text=f"{path} cannot be read here ({error.strerror})")
        ]
    return [
        Finding(
            check="environment file",
            ok=not mode & 0o077 or not path.is_file(),
            text=f"{path} has mode {mode:04o}",
            why="others on this host could read the webhook's secret",
            mend=f"chmod 0600 {path}",
        )
    ]


def _state_root(_environ: Mapping[str, str], root: Path) -> list[Finding]:
    why = "every run keeps its journal and state there"
    mend = f"mkdir -p -m 0700 {root} as the user that starts runs, or set ATVM_WATCHER_STATE_ROOT"
    try:
        make_folder(root)
    except OSError as error:
        return [Finding(check="state root", ok=False, text=f"{root}: {error.strerror}", why=why, mend=mend)]
    free = shutil.disk_usage(root).free
    writable = os.access(root, os.W_OK | os.X_OK)
    return [
        Finding(
            check="state root",
            ok=writable,
            text=f"{root} {'can' if writable else 'cannot'} be written",
            why=why,
            mend=mend,
        ),
        Finding(
            check="disk",
            ok=free >= FREE_BYTES_MIN,
            text=f"{free // 2**20} MiB are free at {root}",
            why="a full disk stops the watcher from acting: it waits until there is room",
            mend="free some space, or set ATVM_WATCHER_STATE_ROOT to another file system",
        ),
    ]


def _settings(environ: Mapping[str, str], _root: Path) -> list[Finding]:
    try:
        env.settings(environ)
        env.keep(environ)
        env.orphan_limit_s(environ)
    except ConfigError as error:
        return [
            Finding(
                check="settings",
                ok=False,
                text=str(error),
                why="a start is refused with it",
                mend="correct or unset it",
            )
        ]
    return [Finding(check="settings", ok=True, text="all readable")]


def _inotify(_environ: Mapping[str, str], _root: Path) -> list[Finding]:
    findings = []
    for name, least in (("max_user_instances", INSTANCES_MIN), ("max_user_watches", WATCHES_MIN)):
        try:
            limit = int((LIMITS / name).read_text())
        except (OSError, ValueError):
            continue
        findings.append(
            Finding(
                check=f"inotify {name}",
                ok=limit >= least,
                text=str(limit),
                why="beyond it watchers look every second instead of being told at once",
                mend=f"sysctl -w fs.inotify.{name}={least * 4}",
            )
        )
    return findings


def _supervisor(_environ: Mapping[str, str], _root: Path) -> list[Finding]:
    return [Finding(check="supervisor", ok=True, text=f"auto chooses {choose('auto').name}")]


def _runs(_environ: Mapping[str, str], root: Path) -> list[Finding]:
    findings = []
    for name in builds(root):
        paths = Paths(root, name)
        state = read_state(paths)
        if state is None or live(paths)["watcher"]:
            continue
        join = f"start-atvm-run-watcher.sh --attach --build-name {name}"
        if state["phase"] not in TERMINAL:
            text = f"{name} is {state['phase']} and nobody watches it"
            findings.append(
                Finding(check="run", ok=False, text=text, why="nobody will say how it ends", mend=join)
            )
        elif posts_pending(state):
            text = f"{name} has a message that was not delivered, and nobody tries"
            findings.append(
                Finding(check="message", ok=False, text=text, why="its reader knows nothing yet", mend=join)
            )
    return findings or [Finding(check="runs", ok=True, text="every run that goes on is watched")]
