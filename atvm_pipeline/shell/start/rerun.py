"""Starting again from the request of an earlier run: with the same values, or only for the hosts that did not pass."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from atvm_pipeline.core.text import one_line
from atvm_pipeline.shell.config.backtracking import AGAIN_LIMIT_S
from atvm_pipeline.shell.config.dialect_file import load_dialect
from atvm_pipeline.shell.exit_codes import DATA, NO, USAGE, CommandError
from atvm_pipeline.shell.state_dir.records import Paths, Request
from atvm_pipeline.shell.supervisor import choose

from .start_options import RUN_HOSTS, CommandsBefore, StartOptions, hint

HOSTS_PLACE = "{hosts}"
"""In a stored command: replaced by the failed hosts, joined by commas."""
RERUN_HOSTS_MAX = 200
_HOST_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,127}")
"""Such a name is one word of a shell, without quotes, and no option."""


def rerun_options(paths: Paths, request: Request, environ: Mapping[str, str]) -> StartOptions:
    """Return the options of a start with every value of an earlier request.

    `paths` are those of the new run. Secrets and retention come from `environ`. Raises CommandError, ConfigError.
    """
    if request.runner_command is None:
        raise CommandError(
            DATA,
            f"cannot start build {paths.build_name} again: its runner was started by other means, so its command is not "
            "stored; start it with start-atvm-run.sh",
        )
    own_log = request.log_path == str(Paths(paths.state_root, paths.build_name).runner_log)
    stored = {
        "ATVM_RUNNER_LOG": "" if own_log else request.log_path,
        "ATVM_RUNNER_ORPHAN_LIMIT_S": str(request.orphan_limit_s),
        "ATVM_WATCHER_ALERT_CHANNEL": request.alert_channel or "",
        "ATVM_WATCHER_ARTIFACTS": request.artifacts_dir,
        "ATVM_WATCHER_CA_FILE": request.ca_file or "",
        "ATVM_WATCHER_DIALECT": request.dialect_path or "",
        "ATVM_WATCHER_INVENTORY": request.inventory_path or "",
    }
    if not Path(request.workdir).is_dir():
        raise CommandError(
            DATA,
            f"cannot start build {paths.build_name} again: its working directory {request.workdir} does not exist; "
            "restore it, or start with start-atvm-run.sh --workdir",
        )
    return StartOptions(
        paths=paths,
        environ={**environ, **stored},
        settings=request.settings,
        messages=request.messages,
        metadata=request.metadata,
        dialect=load_dialect(request.dialect_path, AGAIN_LIMIT_S),
        workdir=Path(request.workdir),
        supervisor=choose(request.supervisor),
        template_command=request.template_command,
        runner_command=request.runner_command,
        categorize=request.categorized,
        categorize_given=request.categorized,
        hosts=request.hosts,
        scenario=request.scenario,
        notes=request.notes,
        command_environment={name: value for name, value in request.environment.items() if name != RUN_HOSTS},
        before_hosts=CommandsBefore(
            template=request.template_before_hosts, runner=request.runner_before_hosts
        ),
    )


def with_hosts(options: StartOptions, hosts: tuple[str, ...]) -> StartOptions:
    """Return the start for these hosts alone: they are the requested hosts, and replace `{hosts}` in both commands.

    Raises CommandError if no command uses the hosts, or for a name that cannot be passed to a command.
    """
    before = CommandsBefore(
        template=options.before_hosts.template or options.template_command,
        runner=options.before_hosts.runner or options.runner_command,
    )
    _check_uses_hosts(options, before)
    _check_names(options.paths.build_name, hosts)
    joined = ",".join(hosts)
    return replace(
        options,
        hosts=hosts,
        template_command=before.template.replace(HOSTS_PLACE, joined) if before.template else None,
        runner_command=before.runner.replace(HOSTS_PLACE, joined) if before.runner else None,
        before_hosts=CommandsBefore(
            template=before.template if before.template and HOSTS_PLACE in before.template else None,
            runner=before.runner if before.runner and HOSTS_PLACE in before.runner else None,
        ),
    )


def failed_hosts(state: Mapping[str, Any], requested: tuple[str, ...]) -> tuple[str, ...]:
    """Return the hosts that did not pass, in the order of the request.

    A host without a result counts as failed. Hosts that were not requested count only if no requested host failed.
    """
    if state["phase"] == "COMPLETED":
        return ()
    passed: dict[str, bool] = {}
    spelled: dict[str, str] = {}
    for row in (row for subrun in state["subruns"] for row in subrun["hosts"]):
        folded = row["host"].casefold()
        spelled.setdefault(folded, row["host"])
        passed[folded] = passed.get(folded, True) and _has_passed(row)
    failed = tuple(host for host in requested if not passed.get(host.casefold(), False))
    return failed or tuple(spelled[folded] for folded, good in passed.items() if not good)


def check_any_failed(options: StartOptions, state: Mapping[str, Any], hosts: tuple[str, ...]) -> None:
    """Raise CommandError (1) if no host of the run failed."""
    if hosts:
        return
    build = options.paths.build_name
    again = hint(options, "atvm-pipeline", "rerun", build)
    raise CommandError(
        NO,
        f"no host of {build} failed ({state['phase']}: {one_line(state['reason']['text'], 200)}); nothing was started; "
        f"start all hosts again with: {again}",
    )


def _has_passed(row: Mapping[str, Any]) -> bool:
    """Return whether a host passed in a sub-run; pending tests next to passed ones do not count as a failure."""
    return bool(row["result"] == "PASS" or (row["detail"] == "pending" and row["passing"] > 0))


def _check_uses_hosts(options: StartOptions, before: CommandsBefore) -> None:
    commands = (before.template or "", before.runner or "")
    if any(HOSTS_PLACE in command or RUN_HOSTS in command for command in commands):
        return
    build = options.paths.build_name
    raise CommandError(
        USAGE,
        f"cannot select the failed hosts of {build}: neither its template command nor its runner command contains "
        f"{HOSTS_PLACE} or ${RUN_HOSTS}; start it once with such a command, for example --template-command "
        f"'... --hosts \"${RUN_HOSTS}\"', or start all hosts again with: {hint(options, 'atvm-pipeline', 'rerun', build)}",
    )


def _check_names(build: str, hosts: tuple[str, ...]) -> None:
    wrong = next((host for host in hosts if not _HOST_NAME.fullmatch(host)), None)
    if wrong is not None:
        raise CommandError(
            DATA,
            f"cannot pass host {one_line(wrong, 60)!r} of {build} to a command: only letters, digits, '.', '_' and '-' are "
            "possible, and no '-' at the start; start with start-atvm-run.sh --hosts",
        )
    if len(hosts) > RERUN_HOSTS_MAX:
        raise CommandError(
            DATA,
            f"{len(hosts)} hosts of {build} failed: more than {RERUN_HOSTS_MAX} are not started again by name",
        )
