"""The parts of a start that the command line owns: what is wanted, preflight, one half of it, joining a run."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.naming import requested_hosts
from atvm_pipeline.core.preflight import Finding, check, has_option, option_values, read_spec_pattern
from atvm_pipeline.core.recognise.dialect import Dialect, read_dialect
from atvm_pipeline.shell import settings as env
from atvm_pipeline.shell.files import is_locked, read_small
from atvm_pipeline.shell.inventories import load_inventory
from atvm_pipeline.shell.records import Paths, Request, RunnerRecord, read_record, write_record
from atvm_pipeline.shell.refusals import DATA, DONE, IN_USE, USAGE, Refused
from atvm_pipeline.shell.specs import find_specs
from atvm_pipeline.shell.start import (
    Wanted,
    artifacts_folder,
    baseline_of,
    build_request,
    check_living,
    inventory_path,
    prepare,
    start_runner,
    start_watcher,
)
from atvm_pipeline.shell.supervisor import Supervisor

from .common import say

CONFIG_MAX_BYTES = 4 * 1024 * 1024
FREE_BYTES_MIN = 16 * 1024 * 1024
"""A run of a day needs about a tenth of this for its state."""


def wanted_from(args: argparse.Namespace, build_name: str, environ: Mapping[str, str], root: Path) -> Wanted:
    """What the call asks for.  Raises ConfigError, Refused."""
    workdir = env.workdir(args.workdir, environ)
    if not workdir.is_dir():
        raise Refused(
            USAGE, f"working directory {workdir} is no folder: set --workdir or ATVM_RUNNER_WORKDIR"
        )
    template_command = args.template_command or environ.get("ATVM_WATCHER_TEMPLATE_COMMAND") or None
    runner_command = (
        args.runner_command
        or environ.get("ATVM_RUNNER_COMMAND")
        or environ.get("ATVM_WATCHER_RUNNER_COMMAND")
        or None
    )
    asked = args.categorize or env.truthy(environ.get("ATVM_WATCHER_CATEGORIZED"))
    held = runner_command is not None and has_option(runner_command, "--categorize")
    notes: tuple[str, ...] = ()
    if asked != held and runner_command is not None:
        where = (
            "the request but not the runner command" if asked else "the runner command but not the request"
        )
        notes = (f"--categorize is in {where}; the run is taken as categorized.",)
    return Wanted(
        paths=Paths(root, build_name),
        environ=environ,
        settings=env.settings(environ),
        metadata=env.metadata({key: getattr(args, key, None) for key in vars(args)}, environ),
        dialect=load_dialect(environ.get("ATVM_WATCHER_DIALECT")),
        workdir=workdir,
        template_command=template_command,
        runner_command=runner_command,
        categorize=asked or held,
        notes=notes,
        share_config=args.share_config,
    )


def load_dialect(path: str | None) -> Dialect:
    """The dialect in a file, the defaults without one.  Raises ConfigError."""
    if not path:
        return Dialect()
    try:
        data = read_small(Path(path), CONFIG_MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot read the dialect {path}: {error.strerror}") from None
    if data is None:
        raise ConfigError(f"the dialect {path} is not there: unset ATVM_WATCHER_DIALECT or name a file")
    return read_dialect(data.decode("utf-8", "replace"), path)


def preflight(wanted: Wanted) -> list[str]:
    """Certain mismatches, one line each; what is only worth knowing is said at once."""
    inventory = load_inventory(inventory_path(wanted.environ, wanted.workdir))
    hosts = requested_hosts(wanted.paths.build_name, inventory, wanted.dialect)
    config_file = _config_file(wanted)
    findings = check(
        build_name=wanted.paths.build_name,
        requested_hosts=hosts,
        template_command=wanted.template_command,
        runner_command=wanted.runner_command,
        config_file=wanted.metadata.config_file,
        categorize=wanted.categorize,
        matched_specs=_matched_specs(wanted.workdir, config_file),
        known=(*hosts, *inventory),
        dialect=wanted.dialect,
    )
    findings = (*findings, *_places(wanted))
    for finding in findings:
        if not finding.certain:
            say(f"notice: {finding.text}")
    return [finding.text for finding in findings if finding.certain]


def _config_file(wanted: Wanted) -> str | None:
    if wanted.metadata.config_file:
        return wanted.metadata.config_file
    named = option_values(wanted.runner_command or "", ("--config_file", "--config-file"))
    return named[0] if len(named) == 1 else None


def _matched_specs(workdir: Path, config_file: str | None) -> tuple[str, ...] | None:
    """Spec files that the config's specPattern matches; None where that cannot be known."""
    if config_file is None:
        return None
    try:
        data = read_small(workdir / config_file, CONFIG_MAX_BYTES)
    except OSError:
        return None
    patterns = read_spec_pattern(data.decode("utf-8", "replace")) if data is not None else None
    return None if patterns is None else find_specs(workdir / Path(config_file).parent, patterns)


def _places(wanted: Wanted) -> tuple[Finding, ...]:
    found = []
    free = os.statvfs(wanted.paths.state_root)
    free_bytes = free.f_bavail * free.f_frsize
    if free_bytes < FREE_BYTES_MIN:
        text = f"only {free_bytes // 1024} KiB are free in the state root {wanted.paths.state_root}: free at least 16 MiB"
        found.append(Finding(code="disk", text=text, certain=True))
    folder = artifacts_folder(wanted)
    if folder.exists() and not folder.is_dir():
        text = f"the artifact folder {folder} is a file: move it away or set ATVM_WATCHER_ARTIFACTS"
        found.append(Finding(code="artifacts", text=text, certain=True))
    elif folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        text = (
            f"the artifact folder {folder} cannot be read: mend its permissions or set ATVM_WATCHER_ARTIFACTS"
        )
        found.append(Finding(code="artifacts", text=text, certain=True))
    return tuple(found)


def start_runner_only(wanted: Wanted, supervisor: Supervisor) -> int:
    """Start the runner of a request whose watcher waits for it; without one, of a new request that nobody watches yet."""
    paths = wanted.paths
    if wanted.runner_command is None:
        raise Refused(USAGE, "--runner-command is missing: give the command that runs Cypress")
    check_living(wanted)
    request = read_record(paths.request, Request)
    waiting = request is not None and is_locked(paths.watcher_lock) and _fresh(paths, request)
    if request is not None and waiting:
        # The watcher's request goes on: it gets the command, and the environment of this call.
        environment = build_request(wanted, supervisor.name).environment
        request = replace(request, runner_command=wanted.runner_command, environment=environment)
        write_record(paths.request, request)
    else:
        request = build_request(wanted, supervisor.name)
        notice = prepare(request, paths, baseline_of(wanted), supervisor, env.keep(wanted.environ))
        if notice is not None:
            say(notice)
        say(
            f"nobody watches {paths.build_name} yet; join with: start-atvm-run-watcher.sh --attach --build-name {paths.build_name}"
        )
    start_runner(request, paths, supervisor)
    say(f"runner: running, log {request.log_path}")
    print(paths.folder)
    return DONE


def _fresh(paths: Paths, request: Request) -> bool:
    """Whether the request has not had a runner yet."""
    return read_record(paths.runner, RunnerRecord, request.run_id) is None and not paths.runner_exit.exists()


def attach(wanted: Wanted, supervisor: Supervisor) -> int:
    """Start a watcher for a run that is there, without a reset.  Raises Refused."""
    paths = wanted.paths
    request = read_record(paths.request, Request)
    if request is None:
        raise Refused(
            DATA, f"build {paths.build_name} is not known in {paths.state_root}: start it without --attach"
        )
    if is_locked(paths.watcher_lock):
        raise Refused(IN_USE, f"build {paths.build_name} is being watched already")
    start_watcher(request, paths, supervisor, wanted.environ)
    say(f"watcher: watching {paths.build_name} (run {request.run_id})")
    print(paths.folder)
    return DONE
