"""Request of a start: the options of the caller, and the record that is saved of them."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.errors import ConfigError
from atvm_pipeline.core.events import MessageSettings, Metadata, Settings
from atvm_pipeline.core.preflight.checks import CONFIG_FILE_OPTIONS, option_values
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.state_dir.records import Paths, Request
from atvm_pipeline.shell.supervisor import Supervisor, release
from atvm_pipeline.shell.system import clock
from atvm_pipeline.shell.system.typed_command import typed_command

INVENTORY = "atvm/inventory/vm-inventory.md"
"""The inventory file of an automation root, relative to the working directory."""


RUN_HOSTS = "ATVM_RUN_HOSTS"
"""Variable of template and runner with the requested hosts of the run, separated by commas."""


class CommandsBefore(msgspec.Struct, frozen=True, kw_only=True):
    """The commands of a request as they were before `{hosts}` was replaced; None for a command without it."""

    template: str | None = None
    runner: str | None = None


class StartOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of one start, from the command line and the environment."""

    paths: Paths
    environ: Mapping[str, str]
    settings: Settings
    metadata: Metadata
    dialect: Dialect
    workdir: Path
    supervisor: Supervisor
    template_command: str | None = None
    runner_command: str | None = None
    categorize: bool = False
    """Whether the run is watched as categorized: by --categorize, or by the runner command."""
    categorize_given: bool = False
    """Whether --categorize was given, or set in the environment."""
    hosts: tuple[str, ...] = ()
    """The names from --hosts."""
    messages: MessageSettings = MessageSettings()
    scenario: str | None = None
    """The name from --scenario."""
    started_by: str | None = None
    notes: tuple[str, ...] = ()
    share_config: bool = False
    share_hosts: bool = False
    wait_s: float | None = None
    """How long to wait until build, log, config file and hosts are free (--wait); None to refuse the start."""
    only: Literal["watcher", "runner"] | None = None
    """Start only this half; None for both."""
    check: bool = False
    """Check for conflicts and run the preflight, but start nothing."""
    no_preflight: bool = False
    command_environment: Mapping[str, str] | None = None
    """Environment of template and runner; None for the variables of `environ` that are passed to them."""
    before_hosts: CommandsBefore = CommandsBefore()

    @property
    def log_path(self) -> Path:
        """Return the path of the runner's log."""
        return self.workdir / (self.environ.get("ATVM_RUNNER_LOG") or self.paths.runner_log.absolute())

    @property
    def config_path(self) -> Path | None:
        """Return the config file that the runner reads: --config-file, else the one in its command; None if unknown."""
        named = self.metadata.config_file
        if not named:
            values = set(option_values(self.runner_command or "", CONFIG_FILE_OPTIONS))
            named = values.pop() if len(values) == 1 else None
        if not named or any(character in named for character in "$`*?~"):
            return None
        return self.workdir / named

    @property
    def artifacts_dir(self) -> Path:
        """Return the directory in which the reports are written."""
        return self.workdir / (self.environ.get("ATVM_WATCHER_ARTIFACTS") or self.dialect.artifacts)

    @property
    def inventory_path(self) -> Path:
        """Return the path of the inventory file, whether it exists or not."""
        return self.workdir / (self.environ.get("ATVM_WATCHER_INVENTORY") or INVENTORY)


def hint(options: StartOptions, program: str, *words: str) -> str:
    """Return a call of a program of this project for the state root of a start, as it can be typed."""
    root = env.state_root_option(options.environ, options.paths.state_root)
    return typed_command(program, *words, *root)


def build_request(options: StartOptions, environment: dict[str, str]) -> Request:
    """Return the request to save, with every setting in force and a new random `run_id`. Raises ConfigError.

    `environment` is that of template and runner.
    """
    environ, config = options.environ, options.config_path
    request = Request(
        build_name=options.paths.build_name,
        run_id=secrets.token_hex(8),
        requested_at=clock.now(),
        categorized=options.categorize,
        hosts=options.hosts,
        notes=options.notes,
        metadata=options.metadata,
        settings=options.settings,
        messages=options.messages,
        scenario=options.scenario,
        controller=os.uname().nodename or None,
        started_by=options.started_by,
        alert_channel=environ.get("ATVM_WATCHER_ALERT_CHANNEL") or None,
        template_command=options.template_command,
        runner_command=options.runner_command,
        workdir=str(options.workdir),
        config_path=str(config) if config is not None else None,
        log_path=str(options.log_path),
        artifacts_dir=str(options.artifacts_dir),
        inventory_path=str(options.inventory_path),
        dialect_path=_absolute(environ.get("ATVM_WATCHER_DIALECT")),
        ca_file=_absolute(environ.get("ATVM_WATCHER_CA_FILE")),
        supervisor=options.supervisor.name,
        release=release.own(),
        boot_id=clock.boot_id(),
        orphan_limit_s=env.orphan_limit_s(environ),
        environment=environment,
        template_before_hosts=options.before_hosts.template,
        runner_before_hosts=options.before_hosts.runner,
    )
    try:
        msgspec.json.encode(request)
    except UnicodeEncodeError:
        raise ConfigError(
            "cannot save the request: a path or text of this start is not UTF-8; rename it, or use another one"
        ) from None
    return request


def _absolute(path: str | None) -> str | None:
    """Return an absolute path. The caller's path is relative to its own directory; the watcher runs in another one."""
    return str(Path(path).absolute()) if path else None
