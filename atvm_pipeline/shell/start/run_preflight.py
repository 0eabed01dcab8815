"""Preflight of a start: reads the files that `core/preflight` compares, and refuses or logs mismatches. Starts nothing."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from atvm_pipeline.core.hosts.requested_hosts import RequestedHosts, hosts_note, requested_hosts
from atvm_pipeline.core.preflight.checks import (
    CONFIG_FILE_OPTIONS,
    PreflightFinding,
    find_mismatches,
    option_values,
)
from atvm_pipeline.core.preflight.runner_command import (
    runs_as_another_user,
    runs_elsewhere,
    takes_other_specs,
)
from atvm_pipeline.core.preflight.spec_pattern import read_spec_pattern
from atvm_pipeline.core.state import SPECS_MAX
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
UNREADABLE = "cannot be read (permission denied)"
CONFIG_MAX_BYTES = 4 * 1024 * 1024
PLANNED_CHARS_MAX = 1024 * 1024
"""Limit for all paths of planned specs together; a longer list is not kept."""
START_FREE_BYTES_MIN = 16 * 1024 * 1024
"""A run of one day needs about a tenth of this for its state."""


class Preflight(NamedTuple):
    """Result of a preflight."""

    hosts: str
    """The sentence about the hosts that are checked."""
    planned: tuple[str, ...] | None
    """The spec files that the runner will certainly run, relative to Cypress's project; None if unknown."""


def run_preflight(options: StartOptions, *, warn_only: bool = False) -> Preflight:
    """Refuse a certain mismatch, or log it as a warning with `warn_only` or --no-preflight; log the hosts that are checked.

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
    matched = _matched_specs(options)
    certain = _mismatches(options, requested, inventory, matched)
    if certain and not (options.no_preflight or warn_only):
        raise CommandError(PREFLIGHT_MISMATCH, f"preflight: {certain[0]}; nothing was started")
    for text in certain:
        log(f"warning: preflight: {text}")
    hosts = hosts_note(requested)
    if not options.check:
        log(hosts)
    return Preflight(hosts=hosts, planned=_planned(matched) if matched is not None else None)


def _mismatches(
    options: StartOptions,
    requested: RequestedHosts,
    inventory: Mapping[str, str | None],
    matched: Mapping[Path, tuple[str, ...]] | None,
) -> list[str]:
    """Return the certain mismatches, one line each; log the other findings.

    `matched` has the spec files of each directory that may be Cypress's project.
    """
    may_change = _may_change(options)
    findings = find_mismatches(
        build_name=options.paths.build_name,
        requested=requested,
        template_command=options.template_command,
        runner_command=options.runner_command,
        config_file=options.metadata.config_file,
        categorize=options.categorize,
        matched_specs=_all_specs(matched) if matched is not None else None,
        known=tuple(inventory),
        dialect=options.dialect,
    )
    findings = (*_config_file(options), *findings)
    findings = tuple(_not_yet(finding) if finding.code in may_change else finding for finding in findings)
    findings = (*findings, *_places(options))
    for finding in findings:
        if not finding.certain:
            log(f"notice: {finding.text}")
    return [finding.text for finding in findings if finding.certain]


def _may_change(options: StartOptions) -> frozenset[str]:
    """Return the codes of findings that a template may still correct: with --check, or before the runner's half."""
    if options.template_command is None or options.only == "runner":
        return frozenset()
    if options.only == "watcher":
        # This half only records the command. It is not known whether the command has run; a missing file means that it
        # has not.
        return frozenset({CONFIG_UNUSABLE})
    return OF_TEMPLATE if options.check else frozenset()


def _not_yet(finding: PreflightFinding) -> PreflightFinding:
    return PreflightFinding(
        code=finding.code, certain=False, text=f"before the template has run, {finding.text}"
    )


def _config_file(options: StartOptions) -> tuple[PreflightFinding, ...]:
    """Return the problem with the file of --config-file: it is missing, a directory, or cannot be read.

    The path is relative to the working directory. A command that may run elsewhere may mean another file.
    """
    config, runner = options.config_path, options.runner_command or ""
    if config is None or not options.metadata.config_file:
        return ()
    why = _unusable(config)
    if why is None or (why == UNREADABLE and runs_as_another_user(runner)):
        return ()
    if runs_elsewhere(runner):
        text = f"the config file {config} (--config-file) {why}; the runner command may run elsewhere, so nothing is refused"
        return (PreflightFinding(code=CONFIG_UNUSABLE, text=text, certain=False),)
    text = (
        f"the config file {config} (--config-file) {why}: correct --config-file or --workdir, write the file with "
        "--template-command, or start anyway with --no-preflight"
    )
    return (PreflightFinding(code=CONFIG_UNUSABLE, text=text, certain=True),)


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


def _matched_specs(options: StartOptions) -> dict[Path, tuple[str, ...]] | None:
    """Return the files matched by the config's specPattern, per possible project directory; None if unknown."""
    config, runner = options.config_path, options.runner_command or ""
    if config is None or runs_elsewhere(runner) or takes_other_specs(runner, tuple(options.environ)):
        return None
    if len(set(option_values(runner, CONFIG_FILE_OPTIONS))) > 1:
        return None
    try:
        data = read_small(config, CONFIG_MAX_BYTES)
    except OSError:
        return None
    patterns = read_spec_pattern(data.decode("utf-8", "replace")) if data is not None else None
    if patterns is None:
        return None
    matched: dict[Path, tuple[str, ...]] = {}
    for root in _project_roots(config, options.workdir):
        found = find_specs(root, patterns)
        if found is None:
            return None
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


def _places(options: StartOptions) -> tuple[PreflightFinding, ...]:
    found = []
    free = os.statvfs(options.paths.state_root)
    free_bytes = free.f_bavail * free.f_frsize
    if free_bytes < START_FREE_BYTES_MIN:
        text = f"only {free_bytes // 1024} KiB are free in the state root {options.paths.state_root}: free at least 16 MiB"
        found.append(PreflightFinding(code="disk", text=text, certain=True))
    folder = options.artifacts_dir
    if folder.exists() and not folder.is_dir():
        text = f"the artifact directory {folder} is a file: move it away or set ATVM_WATCHER_ARTIFACTS"
        found.append(PreflightFinding(code="artifacts", text=text, certain=True))
    elif folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        text = f"the artifact directory {folder} cannot be read: fix its permissions or set ATVM_WATCHER_ARTIFACTS"
        found.append(PreflightFinding(code="artifacts", text=text, certain=True))
    return tuple(found)
