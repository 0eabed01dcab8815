"""Preflight of a start: reads the files that `core/preflight` compares, and refuses or logs mismatches. Starts nothing."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from atvm_pipeline.core.hosts.requested_hosts import RequestedHosts, requested_hosts
from atvm_pipeline.core.preflight.checks import CONFIG_FILE_OPTIONS, option_values
from atvm_pipeline.core.preflight.report import CheckOutcome, PreflightCheck, compare_request
from atvm_pipeline.core.preflight.runner_command import (
    runs_as_another_user,
    runs_elsewhere,
    takes_other_specs,
)
from atvm_pipeline.core.preflight.spec_pattern import read_spec_pattern
from atvm_pipeline.core.state import SPECS_MAX
from atvm_pipeline.core.text import one_line
from atvm_pipeline.shell.config.inventory_file import load_inventory
from atvm_pipeline.shell.config.runner_env import is_text
from atvm_pipeline.shell.exit_codes import PREFLIGHT_MISMATCH, CommandError
from atvm_pipeline.shell.system.files import read_small
from atvm_pipeline.shell.system.io_errors import reason_of
from atvm_pipeline.shell.system.log import log

from .spec_files import find_specs
from .start_options import StartOptions

CONFIG_UNUSABLE = "config-unusable"
OF_TEMPLATE = frozenset({"spec-pattern", "unknown-host", CONFIG_UNUSABLE})
"""Findings that the template command may still correct."""
PATH_SHOWN_CHARS_MAX = 160
UNREADABLE = "cannot be read (permission denied)"
CONFIG_MAX_BYTES = 4 * 1024 * 1024
PLANNED_CHARS_MAX = 1024 * 1024
"""Limit for all paths of planned specs together; a longer list is not kept."""
START_FREE_BYTES_MIN = 16 * 1024 * 1024
"""A run of one day needs about a tenth of this for its state."""


class Preflight(NamedTuple):
    """Result of a preflight."""

    requested: RequestedHosts
    """The hosts that are checked."""
    planned: tuple[str, ...] | None
    """The spec files that the runner will certainly run, relative to Cypress's project; None if unknown."""
    checks: tuple[PreflightCheck, ...] = ()
    """Every check, whether it passed or not."""


def run_preflight(options: StartOptions, *, warn_only: bool = False) -> Preflight:
    """Refuse a certain mismatch, or log it as a warning with `warn_only` or --no-preflight; log the notices.

    Raises CommandError.
    """
    inventory = load_inventory(options.inventory_path)
    requested = requested_hosts(
        options.paths.build_name,
        inventory,
        options.dialect,
        template=options.metadata.template,
        named=options.hosts,
    )
    specs = _matched_specs(options)
    matched = specs if not isinstance(specs, str) else None
    may_change = _may_change(options)
    compared = compare_request(
        build_name=options.paths.build_name,
        requested=requested,
        template_command=options.template_command,
        runner_command=options.runner_command,
        config_file=options.metadata.config_file,
        # The watcher's half decides whether the run is categorized.
        categorize=options.categorize if options.only == "runner" else options.categorize_given,
        matched_specs=_all_specs(matched) if matched is not None else None,
        specs_unknown=specs if isinstance(specs, str) else "",
        known=tuple(inventory),
        dialect=options.dialect,
    )
    checks = [
        _not_yet(check) if check.code in may_change else check for check in (_config_file(options), *compared)
    ]
    checks += _places(options)
    for check in checks:
        if check.outcome == "notice":
            log(f"notice: {check.text}")
    certain = [check.text for check in checks if check.outcome == "mismatch"]
    if certain and not (options.no_preflight or warn_only):
        raise CommandError(PREFLIGHT_MISMATCH, f"preflight: {certain[0]}; nothing was started")
    for text in certain:
        log(f"warning: preflight: {text}")
    planned = _planned(matched) if matched is not None else None
    return Preflight(requested=requested, planned=planned, checks=tuple(checks))


def _may_change(options: StartOptions) -> frozenset[str]:
    """Return the codes of findings that a template may still correct: with --check, or before the runner's half."""
    if options.template_command is None or options.only == "runner":
        return frozenset()
    if options.only == "watcher":
        # This half only records the command. It is not known whether the command has run; a missing file means that it
        # has not.
        return frozenset({CONFIG_UNUSABLE})
    return OF_TEMPLATE if options.check else frozenset()


def _not_yet(check: PreflightCheck) -> PreflightCheck:
    return replace(check, outcome="notice", text=f"before the template has run, {check.text}")


def _check(check: str, outcome: CheckOutcome, text: str, code: str = "") -> PreflightCheck:
    return PreflightCheck(check=check, outcome=outcome, text=text, code=code)


def _config_file(options: StartOptions) -> PreflightCheck:
    """Return whether the config file can be used: it may be missing, a directory, or not readable.

    Only the file of --config-file can refuse a start. Its path is relative to the working directory. A command that may
    run elsewhere may mean another file.
    """
    config, runner, subject = options.config_path, options.runner_command or "", "config file"
    if config is None:
        named = options.metadata.config_file or ""
        why = (
            f"{one_line(named, PATH_SHOWN_CHARS_MAX)} is not a plain path"
            if named
            else "no config file is named"
        )
        return _check(subject, "not-checked", f"{why}, so other starts are not kept from rewriting it")
    why_not = _unusable(config)
    if why_not is None:
        guard = "" if options.share_config else "; no other start may rewrite it during the run"
        return _check(subject, "ok", f"{config} can be read{guard}")
    if not options.metadata.config_file:
        return _check(subject, "not-checked", f"the runner command has {config}, which {why_not} from here")
    if why_not == UNREADABLE and runs_as_another_user(runner):
        return _check(subject, "not-checked", f"{config} {why_not}; the runner runs as another user")
    named = f"the config file {config} (--config-file) {why_not}"
    if runs_elsewhere(runner):
        text = (
            f"{named}; the runner command may run elsewhere, so nothing is refused, the spec pattern is not checked, and "
            "other starts are not kept from rewriting the file that the runner reads"
        )
        return _check(subject, "notice", text, CONFIG_UNUSABLE)
    text = (
        f"{named}: correct --config-file or --workdir, write the file with --template-command, or start anyway with "
        "--no-preflight"
    )
    return _check(subject, "mismatch", text, CONFIG_UNUSABLE)


def _unusable(config: Path) -> str | None:
    try:
        is_directory = stat.S_ISDIR(config.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except OSError as error:
        return UNREADABLE if isinstance(error, PermissionError) else f"cannot be used ({reason_of(error)})"
    if is_directory:
        return "is a directory"
    return None if os.access(config, os.R_OK) else UNREADABLE


def _matched_specs(options: StartOptions) -> dict[Path, tuple[str, ...]] | str:
    """Return the files matched by the config's specPattern, per possible project directory; or why they are not known."""
    config, runner = options.config_path, options.runner_command or ""
    if config is None:
        return "the config file is not known"
    if runs_elsewhere(runner):
        return "the runner command may run in another directory or on another host"
    if takes_other_specs(runner, tuple(options.environ)):
        return "the runner command or a CYPRESS_ variable selects the specs"
    if len(set(option_values(runner, CONFIG_FILE_OPTIONS))) > 1:
        return "the runner command names several config files"
    try:
        data = read_small(config, CONFIG_MAX_BYTES)
    except OSError as error:
        return f"{config} cannot be read ({reason_of(error)})"
    if data is None:
        return f"{config} does not exist or is not a readable file"
    patterns = read_spec_pattern(data.decode("utf-8", "replace"))
    if patterns is None:
        return "the specPattern of the config is not a plain list of texts"
    matched: dict[Path, tuple[str, ...]] = {}
    for root in _project_roots(config, options.workdir):
        found = find_specs(root, patterns)
        if found is None:
            return f"the spec files below {root} cannot be listed, or a pattern has no certain meaning"
        matched[root] = found
    return matched


def _all_specs(matched: Mapping[Path, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(spec for specs in matched.values() for spec in specs))


def _planned(matched: Mapping[Path, tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return the specs of the only directory that has any; with two such directories, Cypress's project is unknown."""
    projects = [specs for specs in matched.values() if specs]
    if len(projects) != 1 or len(projects[0]) > SPECS_MAX:
        return None
    text = "".join(projects[0])
    return projects[0] if is_text(text) and len(text) <= PLANNED_CHARS_MAX else None


def _project_roots(config: Path, workdir: Path) -> list[Path]:
    """Return where Cypress may search for specs: its project is the directory of the config file or one above it."""
    roots = [config.parent]
    while workdir in roots[-1].parents:
        roots.append(roots[-1].parent)
    return roots if workdir in roots else [*roots, workdir]


def _places(options: StartOptions) -> list[PreflightCheck]:
    """Return the checks of the state root's disk and of the directory of the reports."""
    root, folder = options.paths.state_root, options.artifacts_dir
    free = os.statvfs(root)
    free_bytes = free.f_bavail * free.f_frsize
    if free_bytes < START_FREE_BYTES_MIN:
        text = f"only {free_bytes // 1024} KiB are free in the state root {root}: free at least 16 MiB"
        disk = _check("disk", "mismatch", text, "disk")
    else:
        disk = _check("disk", "ok", f"{free_bytes // 2**20} MiB are free in the state root")
    if not folder.exists():
        reports = _check("reports", "ok", f"{folder} does not exist yet")
    elif not folder.is_dir():
        text = f"the artifact directory {folder} is a file: move it away or set ATVM_WATCHER_ARTIFACTS"
        reports = _check("reports", "mismatch", text, "artifacts")
    elif not os.access(folder, os.R_OK | os.X_OK):
        text = f"the artifact directory {folder} cannot be read: fix its permissions or set ATVM_WATCHER_ARTIFACTS"
        reports = _check("reports", "mismatch", text, "artifacts")
    else:
        reports = _check("reports", "ok", f"{folder} can be read")
    return [disk, reports]
