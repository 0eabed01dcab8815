"""The steps of a start, in order, as the command line has them: the whole, one half of it, joining a run."""

import shlex
from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path

from msgspec.structs import replace

from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import names as listed, printable
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.config.environment import left_out
from atvm_pipeline.shell.exit_codes import DATA, IN_USE, UNAVAILABLE, USAGE, Refused
from atvm_pipeline.shell.processes.discovery import began_at_s, find_runner
from atvm_pipeline.shell.state_dir.reader import phase_of
from atvm_pipeline.shell.state_dir.records import Paths, Request, RunnerRecord, read_record, write_record
from atvm_pipeline.shell.state_dir.retention import prune_builds
from atvm_pipeline.shell.supervisor import release
from atvm_pipeline.shell.system.files import is_locked
from atvm_pipeline.shell.system.log import log

from .conflicts import check_living, check_log
from .first_moments import watch_first_moments
from .request import (
    Wanted,
    baseline_of,
    build_request,
    check_webhook,
    follow,
    log_path,
    prepare,
    read_log_from_its_begin,
    run_template_step,
    start_runner,
    start_watcher,
)
from .run_preflight import How, judge_preflight
from .template import check_launch_log

CA_FILE = "ATVM_WATCHER_CA_FILE"


def start(wanted: Wanted, how: How) -> None:
    """Template, preflight, reset, watcher, runner; without template and runner for the watcher's half.  Raises Refused."""
    paths, environ = wanted.paths, wanted.environ
    how.supervisor.check(paths, environ)
    foreign = check_living(wanted, may_follow=how.only == "watcher")
    began_s = inf
    if foreign is not None:
        began_s = began_at_s(foreign)
        wanted = follow(wanted, foreign)
        log(f"runner: process {foreign.pid} ({foreign.name}) runs this build already; log {log_path(wanted)}")
    keep, keep_builds = env.keep(environ), env.keep_builds(environ)
    request = build_request(wanted, how.supervisor.name)
    check_log(Path(request.log_path))
    has_template = how.only is None and wanted.template_command is not None
    if has_template:
        check_launch_log(paths.build_name, env.launch_log_dir(environ))
    _say_left_out(environ)
    baseline = baseline_of(wanted, began_s)
    if has_template and not how.check:
        log(f"template: {shlex.quote(wanted.template_command or '')}")
        run_template_step(wanted)
    # What is there cannot be refused any more.
    planned = judge_preflight(wanted, how, go_on=foreign is not None)
    if how.check:
        return
    if how.only is None and foreign is None:
        # Only then nothing can change the config between this look and the runner's.
        request = replace(request, planned_specs=planned)
    notice = prepare(request, paths, baseline, how.supervisor, keep)
    if notice is not None:
        log(notice)
    _prune(paths, keep_builds)
    if foreign is not None:
        read_log_from_its_begin(request, paths, began_s)
    start_watcher(request, paths, how.supervisor, environ)
    _say_watching(request, paths)
    if how.only is None:
        start_runner(request, paths, how.supervisor)
        _await_first_moments(request, wanted, watched=True)
    print(printable(str(paths.folder)))


def _await_first_moments(request: Request, wanted: Wanted, *, watched: bool) -> None:
    """Wait until the runner is known to run, and say so.  Raises Refused (69) if it ended at once in failure."""
    build, path = request.build_name, request.log_path
    moments = watch_first_moments(request, wanted.paths, wanted.dialect)
    if moments.failed:
        report = (
            f"the watcher reports it, see atvm-pipeline explain {build}" if watched else "it is not watched"
        )
        lines = "its last lines follow" if moments.last_lines else "it is empty"
        raise Refused(
            UNAVAILABLE,
            f"the runner of build {build} ended at once {moments.ended}, before Cypress printed anything; {report}; "
            f"log {path}: {lines}",
            moments.last_lines,
        )
    log(f"runner: {f'ended {moments.ended}' if moments.ended else 'running'}, log {path}")


def _prune(paths: Paths, keep_builds: int) -> None:
    deleted = prune_builds(paths.state_root, keep_builds, paths.build_name)
    if deleted:
        log(
            f"notice: more than {keep_builds} other builds (ATVM_WATCHER_KEEP_BUILDS), so the oldest that are over were deleted: "
            f"{listed(deleted)}"
        )


def _say_left_out(environ: Mapping[str, str]) -> None:
    names = left_out(environ)
    if names:
        log(f"notice: not UTF-8, so neither template nor runner gets it: {', '.join(names)}")


def _say_watching(request: Request, paths: Paths) -> None:
    phase = phase_of(paths)
    if phase in TERMINAL_PHASES:
        log(f"watcher: {paths.build_name} has ended: {phase}")
    else:
        log(f"watcher: watching {paths.build_name} (run {request.run_id})")


def start_runner_only(wanted: Wanted, how: How) -> None:
    """Start the runner of a request whose watcher waits for it; without one, of a new request that nobody watches yet."""
    paths = wanted.paths
    if wanted.runner_command is None:
        raise Refused(USAGE, "--runner-command is missing: give the command that runs Cypress")
    if how.only == "runner" and wanted.template_command is not None:
        log("notice: the template command is not run by this half: run it before the watcher is started")
    check_living(wanted)
    new = build_request(wanted, how.supervisor.name)
    known = read_record(paths.request, Request)
    waiting = (
        known is not None
        and is_locked(paths.watcher_lock)
        and phase_of(paths) not in TERMINAL_PHASES
        and _fresh(paths, known)
    )
    if known is not None and waiting:
        _check_alike(known, new)
        wanted = _with_request_of(known, wanted)
    # The watcher's request goes on: it gets the command, and the environment of this call.
    request = (
        replace(
            known,
            runner_command=wanted.runner_command,
            environment=new.environment,
            config_path=known.config_path or new.config_path,
        )
        if known is not None and waiting
        else new
    )
    check_log(Path(request.log_path))
    _say_left_out(wanted.environ)
    planned = judge_preflight(wanted, how)
    if how.check:
        return
    if waiting:
        # Its watcher has begun the journal, and knows no planned specs.
        write_record(paths.request, request)
    else:
        request = replace(request, planned_specs=planned)
        notice = prepare(request, paths, baseline_of(wanted), how.supervisor, env.keep(wanted.environ))
        if notice is not None:
            log(notice)
        log(
            f"nobody watches {paths.build_name} yet; join with: start-atvm-run-watcher.sh --attach --build-name {paths.build_name}"
        )
    start_runner(request, paths, how.supervisor)
    _await_first_moments(request, wanted, watched=waiting)
    print(printable(str(paths.folder)))


def _check_alike(known: Request, new: Request) -> None:
    """Refuse a half that asks for another run than the waiting watcher follows.  Raises Refused."""
    wanted = (known.categorized or new.categorized, new.workdir, new.log_path)
    if (known.categorized, known.workdir, known.log_path) != wanted:
        raise Refused(
            USAGE,
            "the waiting watcher was started with another --categorize, --workdir or ATVM_RUNNER_LOG: "
            "start both halves alike",
        )
    if new.hosts and _folded(new.hosts) != _folded(known.hosts):
        theirs = _hosts_option(known.hosts)
        raise Refused(USAGE, f"the waiting watcher was started with {theirs}: start both halves alike")


def _hosts_option(hosts: tuple[str, ...]) -> str:
    return f"--hosts {','.join(hosts)}" if hosts else "no --hosts"


def _folded(names: Iterable[str]) -> set[str]:
    return {name.casefold() for name in names}


def _with_request_of(known: Request, wanted: Wanted) -> Wanted:
    """Return the start with the hosts, the template and the config file that the waiting watcher goes by."""
    metadata = replace(
        wanted.metadata,
        template=known.metadata.template,
        config_file=wanted.metadata.config_file or known.metadata.config_file,
    )
    return replace(wanted, hosts=known.hosts, metadata=metadata)


def _fresh(paths: Paths, request: Request) -> bool:
    """Whether the request has not had a runner yet."""
    return read_record(paths.runner, RunnerRecord, request.run_id) is None and not paths.runner_exit.exists()


def attach(wanted: Wanted, how: How) -> bool:
    """Start a watcher for a run that is there, without a reset.

    False: there is none, but a runner that somebody else has started, so that a watcher is to be started for that.
    Raises Refused, ConfigError.
    """
    paths = wanted.paths
    request = read_record(paths.request, Request)
    if request is None:
        if not paths.request.exists() and find_runner(paths.build_name, wanted.workdir) is not None:
            return False
        raise Refused(
            DATA, f"build {paths.build_name} is not known in {paths.state_root}: start it without --attach"
        )
    if is_locked(paths.watcher_lock):
        raise Refused(IN_USE, f"build {paths.build_name} is being watched already")
    if wanted.hosts and _folded(wanted.hosts) != _folded(request.hosts):
        raise Refused(
            USAGE,
            f"build {paths.build_name} was started with {_hosts_option(request.hosts)}, which a watcher that joins it cannot change: "
            "leave --hosts out",
        )
    # The run goes on by the settings that it was started with.
    warning = check_webhook({**wanted.environ, CA_FILE: request.ca_file or ""}, request.settings)
    if warning is not None:
        log(f"warning: {warning}")
    how.supervisor.check(paths, wanted.environ)
    if how.check:
        print(f"{paths.build_name}: nothing speaks against joining this run")
        return True
    if request.release != release.own():
        # A person joins with this release: from now on it is the run's.
        request = replace(request, release=release.own())
        write_record(paths.request, request)
    start_watcher(request, paths, how.supervisor, wanted.environ)
    _say_watching(request, paths)
    print(printable(str(paths.folder)))
    return True
