"""Answer of a start: which hosts are checked, the result of each check, the paths, and the commands to type next."""

from typing import Any, TextIO

from atvm_pipeline.core.hosts.requested_hosts import RequestedHosts, hosts_note
from atvm_pipeline.core.preflight.report import PreflightCheck
from atvm_pipeline.core.text import printable
from atvm_pipeline.shell.config.settings import launch_log_dir
from atvm_pipeline.shell.delivery.webhook import Webhook
from atvm_pipeline.shell.start.resources import requested_of
from atvm_pipeline.shell.start.result import StartResult
from atvm_pipeline.shell.start.start_options import StartOptions, hint
from atvm_pipeline.shell.state_dir.reader import liveness, phase_of
from atvm_pipeline.shell.supervisor.base import RUNNER_UNIT, WATCHER_UNIT

from . import terminal

OUTCOMES: dict[str, tuple[str, str]] = {
    "ok": ("ok", "passed"),
    "notice": ("notice", "warning"),
    "mismatch": ("mismatch", "failed"),
    "not-checked": ("not checked", "muted"),
}
"""Outcome of a check -> its words and their style."""
FIRST_COLUMNS = 11
"""Columns of the outcome of a check, of a kind of file, and of the purpose of a command."""
CHECK_COLUMNS = 16


def start_page(options: StartOptions, result: StartResult, stream: TextIO) -> str:
    """Return the page of a start for people, as it fits the stream that it is printed to."""
    headline = f"{options.paths.build_name}: {_headline(options, result)}"
    lines = [headline, *_filled(hosts_note(_requested(options, result)), stream, rest="  ")]
    checks = start_checks(options, result)
    lines += ["checks:"] if checks else []
    for check in checks:
        lines += _check_lines(check, stream)
    if result.started:
        lines += ["files:", *(_row(name, str(path)) for name, path in _places(options, result))]
        lines += [f"supervisor: {printable(_supervisor(options))}"]
        # Not wrapped: each command is copied from one line.
        lines += ["next:", *(_row(name, command) for name, command in next_commands(options).items())]
    return "\n".join(lines)


def _check_lines(check: PreflightCheck, stream: TextIO) -> list[str]:
    words, style = OUTCOMES[check.outcome]
    before = f"  {words:<{FIRST_COLUMNS}}  {check.check:<{CHECK_COLUMNS}}  "
    lines = _filled(check.text, stream, first=before, rest=" " * len(before))
    return [
        lines[0].replace(words, terminal.style(words, style, colour=terminal.has_colour(stream)), 1),
        *lines[1:],
    ]


def _filled(text: str, stream: TextIO, *, first: str = "", rest: str) -> list[str]:
    """Return the lines of a text, wrapped on a terminal; a pipe gets one line, in which a search finds everything."""
    if not terminal.is_terminal(stream):
        return [first + printable(text)]
    return terminal.wrapped(printable(text), terminal.width(stream), first=first, rest=rest)


def _row(name: str, value: str) -> str:
    return f"  {name:<{FIRST_COLUMNS}}  {printable(value)}"


def start_object(options: StartOptions, result: StartResult) -> dict[str, Any]:
    """Return the answer of a start for scripts."""
    paths = options.paths
    requested = _requested(options, result)
    return {
        "build_name": paths.build_name,
        "run_id": result.run_id,
        "started": result.started,
        "phase": phase_of(paths) if result.started else None,
        "live": liveness(paths) if result.started else {"watcher": False, "runner": False},
        "runner_ended": result.ended,
        "requested_hosts": requested.hosts,
        "host_sources": requested.sources,
        "not_checked": requested.not_checked,
        "host_check_note": hosts_note(requested),
        "checks": [
            {"check": check.check, "outcome": check.outcome, "text": check.text}
            for check in start_checks(options, result)
        ],
        "paths": {name.replace(" ", "_"): str(path) for name, path in _places(options, result)},
        "supervisor": options.supervisor.name,
        "next": list(next_commands(options).values()) if result.started else [],
    }


def start_checks(options: StartOptions, result: StartResult) -> list[PreflightCheck]:
    """Return all checks of a start; [] for a watcher that was attached to a run."""
    if result.preflight is None:
        return []
    checks = [_in_use(options), *result.preflight.checks]
    return checks if options.only == "runner" else [*checks, _webhook(options)]


def next_commands(options: StartOptions) -> dict[str, str]:
    """Return purpose -> command for the time after a start, each as it can be typed."""
    build = options.paths.build_name
    commands = {
        "state": hint(options, "atvm-pipeline", "status", build),
        "follow log": hint(options, "atvm-pipeline", "logs", "-f", build),
        "wait": hint(options, "atvm-pipeline", "wait", build),
        "cancel": hint(options, "atvm-pipeline", "cancel", "--runner", build),
    }
    if options.only == "watcher":
        start = hint(options, "start-atvm-runner.sh", "--build-name", build, "--runner-command", "COMMAND")
        return commands if liveness(options.paths)["runner"] else {"runner": start, **commands}
    if not liveness(options.paths)["watcher"] and options.only == "runner":
        return {
            "watch": hint(options, "start-atvm-run-watcher.sh", "--attach", "--build-name", build),
            **commands,
        }
    return commands


def _headline(options: StartOptions, result: StartResult) -> str:
    if not result.started:
        thing = "no watcher was started" if result.preflight is None else "nothing was started"
        return f"all checks passed; {thing} (--check)"
    run = f"(run {result.run_id})"
    if result.ended is not None:
        return f"started; the runner has ended {result.ended} {run}"
    alive = liveness(options.paths)
    if options.only == "watcher":
        return (
            f"watched {run}"
            if alive["runner"]
            else f"watched; the runner is not started by this command {run}"
        )
    return f"the runner is running {run}"


def _requested(options: StartOptions, result: StartResult) -> RequestedHosts:
    return result.preflight.requested if result.preflight is not None else requested_of(options)


def _in_use(options: StartOptions) -> PreflightCheck:
    """Return the check of conflicts: a start that gets this far has none, except those that it may ignore."""
    shared = [
        option
        for option, on in (("--share-config", options.share_config), ("--share-hosts", options.share_hosts))
        if on
    ]
    text = "no living run uses this build name, log, config file or host"
    if not shared:
        return PreflightCheck(check="in use", outcome="ok", text=text)
    return PreflightCheck(
        check="in use", outcome="ok", text=f"{text}, except as {' and '.join(shared)} permits"
    )


def _webhook(options: StartOptions) -> PreflightCheck:
    if not options.settings.post_phases and not options.settings.alerts:
        text = "no message is sent (ATVM_WATCHER_POST_PHASES is empty)"
        return PreflightCheck(check="webhook", outcome="not-checked", text=text)
    webhook = Webhook.parse(options.environ.get("MATTERMOST_ATVM_WEBHOOK", ""))
    if webhook.insecure:
        text = f"{webhook.place} is not encrypted (http)"
        return PreflightCheck(check="webhook", outcome="notice", text=text)
    return PreflightCheck(check="webhook", outcome="ok", text=f"well formed, at {webhook.place}")


def _places(options: StartOptions, result: StartResult) -> list[tuple[str, object]]:
    paths = options.paths
    places: list[tuple[str, object]] = [("state", paths.folder), ("log", result.log or options.log_path)]
    if options.template_command is not None and options.only is None:
        places.append(("launch log", launch_log_dir(options.environ) / f"{paths.build_name}.launch.log"))
    return places


def _supervisor(options: StartOptions) -> str:
    if options.supervisor.name != "systemd":
        return f"{options.supervisor.name} (background processes; their output is in {options.paths.watcher_log})"
    build = options.paths.build_name
    units = {"watcher": [WATCHER_UNIT], "runner": [RUNNER_UNIT]}.get(
        options.only or "", [WATCHER_UNIT, RUNNER_UNIT]
    )
    return f"systemd ({', '.join(unit.format(build) for unit in units)})"
