"""Checks of the automation root: the directory in which template and runner run, its inventory, Cypress, and Node.js.

The runner is a private program: it may use another Cypress or another Node.js than those that are found here. So only
something that is certainly missing is a problem.
"""

import json
import shutil
from pathlib import Path

from atvm_pipeline.core.text import one_line, plural
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.config.inventory_file import load_inventory
from atvm_pipeline.shell.start.start_options import INVENTORY
from atvm_pipeline.shell.system.files import read_small
from atvm_pipeline.shell.system.io_errors import reason_of
from atvm_pipeline.shell.system.subprocesses import run_program

from .finding import DoctorFinding, Where, bad, good

STATUS_TEMPLATE = "atvm/docs/automation/status-template.md"
PACKAGE_BYTES_MAX = 4 * 1024 * 1024
VERSION_CHARS_MAX = 40
NODE_LIMIT_S = 10.0


def automation(where: Where) -> list[DoctorFinding]:
    """Check the automation root and its parts."""
    named = where.environ.get("ATVM_RUNNER_WORKDIR")
    root = env.workdir(None, where.environ)
    if not root.is_dir():
        why = "template and runner command run there, so a start without --workdir is refused"
        return bad(
            "automation root",
            f"{root} is not a directory",
            why,
            "set ATVM_RUNNER_WORKDIR to the automation root",
        )
    if not named and root != env.AUTOMATION_ROOT and not (root / "atvm").is_dir():
        text = f"{env.AUTOMATION_ROOT} does not exist and ATVM_RUNNER_WORKDIR is not set: a start uses --workdir or its current directory"
        return good("automation root", text)
    return [
        *good("automation root", str(root)),
        *_inventory(root, where),
        *_cypress(root),
        *_node(),
        *_status_template(root),
    ]


def _inventory(root: Path, where: Where) -> list[DoctorFinding]:
    path = root / (where.environ.get("ATVM_WATCHER_INVENTORY") or INVENTORY)
    why = "hosts are then recognised by the host pattern of the dialect only, and no kernel is shown"
    fix = "write a Markdown table with a column for the host, or set ATVM_WATCHER_INVENTORY"
    try:
        data = read_small(path, 1)
    except OSError as error:
        return bad("inventory", f"{path} cannot be read: {reason_of(error)}", why, fix)
    if data is None and not path.is_file():
        return bad("inventory", f"{path} does not exist", why, fix)
    hosts = load_inventory(path)
    if not hosts:
        return bad("inventory", f"no host is found in {path}", why, fix)
    return good("inventory", f"{plural(len(hosts), 'host')} in {path}")


def _cypress(root: Path) -> list[DoctorFinding]:
    installed = _package(root / "node_modules" / "cypress" / "package.json").get("version")
    if isinstance(installed, str):
        return good("cypress version", f"{one_line(installed, VERSION_CHARS_MAX)} in {root / 'node_modules'}")
    if (root / "node_modules" / ".bin" / "cypress").exists():
        return good("cypress version", f"not known, installed in {root / 'node_modules'}")
    package = _package(root / "package.json")
    listed = [package.get(kind) for kind in ("dependencies", "devDependencies")]
    if any(isinstance(names, dict) and "cypress" in names for names in listed):
        text = f"{root / 'package.json'} lists cypress, but it is not installed in {root / 'node_modules'}"
        return bad("cypress version", text, "the runner cannot start it", f"npm --prefix {root} ci")
    return good(
        "cypress version",
        f"not checked: no cypress in {root / 'node_modules'}; the runner may use another one",
    )


def _package(path: Path) -> dict[str, object]:
    """Return the object of a package.json, {} if it cannot be read."""
    try:
        found = json.loads(read_small(path, PACKAGE_BYTES_MAX) or b"")
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _node() -> list[DoctorFinding]:
    found = shutil.which("node")
    if found is None:
        why = "Cypress runs in Node.js; template and runner get the PATH of the command that starts them"
        return bad("node", "not on PATH", why, "install Node.js, or add its directory to PATH")
    version = run_program(found, "--version", timeout_s=NODE_LIMIT_S)
    shown = one_line(version.text, VERSION_CHARS_MAX) if version.code == 0 else "version not known"
    return good("node", f"{shown} at {found}")


def _status_template(root: Path) -> list[DoctorFinding]:
    path = root / STATUS_TEMPLATE
    if not path.is_file():
        return []
    return good(
        "status template",
        f"{path} exists; it is not read, because the form of a message is fixed (docs/status-template.md)",
    )
