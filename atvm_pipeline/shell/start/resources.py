"""Resources that only one run at a time may use: build name, log, config file and hosts under test."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.errors import DataError, PipelineError
from atvm_pipeline.core.hosts.requested_hosts import RequestedHosts, requested_hosts
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import join_names, one_line
from atvm_pipeline.shell.config.backtracking import AGAIN_LIMIT_S
from atvm_pipeline.shell.config.dialect_file import load_dialect
from atvm_pipeline.shell.config.inventory_file import load_inventory
from atvm_pipeline.shell.config.runner_env import runner_environment
from atvm_pipeline.shell.state_dir.reader import phase_of, read_state
from atvm_pipeline.shell.state_dir.records import Paths, Request, RunnerRecord, read_record
from atvm_pipeline.shell.system.files import is_locked

from .start_options import RUN_HOSTS, StartOptions, build_request

HOST_NAME_SHOWN_CHARS_MAX = 80


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """Resources of one run. Paths are real paths, host names are folded."""

    build_name: str
    log: str
    config: str | None = None
    """None if it is not known."""
    hosts: tuple[str, ...] = ()
    """Only names that are certainly hosts."""


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """Resources that two runs have in common."""

    log: str | None = None
    config: str | None = None
    hosts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.log or self.config or self.hosts)

    @property
    def hosts_only(self) -> bool:
        """Whether only hosts are in common."""
        return bool(self.hosts) and not (self.log or self.config)

    def words(self) -> tuple[str, bool]:
        """Return the resources as the subject of a sentence, and whether it is in the plural."""
        parts = [f"log {self.log}"] if self.log else []
        parts += [f"config file {self.config}"] if self.config else []
        if self.hosts:
            noun = "host" if len(self.hosts) == 1 else "hosts"
            names = join_names(self.hosts, show=lambda name: one_line(name, HOST_NAME_SHOWN_CHARS_MAX))
            parts.append(f"{noun} {names}")
        return " and ".join(parts), len(parts) > 1 or len(self.hosts) > 1

    def overrides(self) -> str:
        """Return the options that permit a start in spite of it, "" if none does."""
        if self.log:
            return ""
        options = ["--share-config"] if self.config else []
        return " and ".join([*options, *(["--share-hosts"] if self.hosts else [])])


def shared(one: Resources, other: Resources) -> Shared:
    """Return the resources that two runs with different build names have in common."""
    return Shared(
        log=one.log if one.log == other.log else None,
        config=one.config if one.config is not None and one.config == other.config else None,
        hosts=tuple(host for host in one.hosts if host in other.hosts),
    )


def requested_of(options: StartOptions) -> RequestedHosts:
    """Return the requested hosts of a start, with the inventory as it is now."""
    return requested_hosts(
        options.paths.build_name,
        load_inventory(options.inventory_path),
        options.dialect,
        template=options.metadata.template,
        named=options.hosts,
    )


def commands_environment(options: StartOptions) -> dict[str, str]:
    """Return the environment of template and runner: the passed variables, and the requested hosts of this run."""
    passed = options.command_environment
    kept = dict(passed) if passed is not None else runner_environment(options.environ)
    return {**kept, RUN_HOSTS: ",".join(requested_of(options).hosts)}


def new_request(options: StartOptions) -> Request:
    """Return the request to save for a start. Raises ConfigError."""
    return build_request(options, commands_environment(options))


def resources_of(options: StartOptions) -> Resources:
    """Return the resources that a start uses."""
    log, config = options.log_path, options.config_path
    return Resources(
        build_name=options.paths.build_name,
        log=os.path.realpath(log),
        config=os.path.realpath(config) if config is not None else None,
        hosts=folded(requested_of(options).certain),
    )


def without_shared(resources: Resources, options: StartOptions) -> Resources:
    """Return the resources without those that the start may share (--share-config, --share-hosts)."""
    return replace(
        resources,
        config=None if options.share_config else resources.config,
        hosts=() if options.share_hosts else resources.hosts,
    )


def resources_in_use(paths: Paths, request: Request) -> Resources:
    """Return the resources of a living run."""
    config = request.config_path or request.metadata.config_file
    return Resources(
        build_name=request.build_name,
        log=os.path.realpath(request.log_path),
        config=os.path.realpath(Path(request.workdir) / config) if config else None,
        hosts=folded(_certain_hosts(paths, request)),
    )


def folded(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names in the form for comparisons that ignore case."""
    return tuple(name.casefold() for name in names)


def _certain_hosts(paths: Paths, request: Request) -> tuple[str, ...]:
    """Return the hosts of a run: from its state, which has the inventory of its start, else as a start would."""
    sources = _saved_sources(paths, request.run_id)
    if sources is not None:
        return tuple(host for host, source in sources.items() if source != "looks-like")
    try:
        dialect = load_dialect(request.dialect_path, AGAIN_LIMIT_S)
    except PipelineError:
        dialect = Dialect()
    return requested_hosts(
        request.build_name,
        load_inventory(Path(request.inventory_path) if request.inventory_path else None),
        dialect,
        template=request.metadata.template,
        named=request.hosts,
    ).certain


def _saved_sources(paths: Paths, run_id: str) -> Mapping[str, Any] | None:
    try:
        state = read_state(paths)
    except (DataError, OSError):
        return None
    if state is None or state["run_id"] != run_id:
        return None
    sources = state.get("host_sources", {})
    # A journal of the first release has hosts without their sources.
    return sources if sources or not state.get("requested_hosts") else None


def waiting_request(paths: Paths) -> Request | None:
    """Return the request of a watcher that waits for its runner; None without one."""
    known = read_record(paths.request, Request)
    if known is None or not is_locked(paths.watcher_lock) or phase_of(paths) in TERMINAL_PHASES:
        return None
    had_runner = (
        paths.runner_exit.exists() or read_record(paths.runner, RunnerRecord, known.run_id) is not None
    )
    return None if had_runner else known


def with_request_of(known: Request, options: StartOptions) -> StartOptions:
    """Return the runner's half of a start with the hosts, the template and the config file of the waiting watcher."""
    metadata = replace(
        options.metadata,
        template=known.metadata.template,
        config_file=options.metadata.config_file or known.metadata.config_file,
    )
    return replace(options, hosts=known.hosts, metadata=metadata, categorize_given=known.categorized)
