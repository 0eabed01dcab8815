"""Steps of a start, in the only safe order (docs/starting.md).

A step that refuses does so before the state of the earlier run is changed.
"""

import shlex
from math import inf
from pathlib import Path

from msgspec.structs import replace

from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.processes.discovery import began_at_s
from atvm_pipeline.shell.system.log import log

from .conflicts import check_living, check_log
from .launch import (
    await_first_moments,
    baseline_of,
    follow,
    prepare,
    prune,
    read_log_from_its_start,
    report_left_out,
    report_watching,
    run_template_step,
    start_runner,
    start_watcher,
)
from .resources import new_request
from .result import StartResult
from .run_preflight import run_preflight
from .start_options import StartOptions
from .template import check_launch_log, keep_output


def start_run(options: StartOptions) -> StartResult:
    """Start watcher and runner, or only the watcher's half with `only="watcher"`. Raises CommandError."""
    paths, environ, supervisor = options.paths, options.environ, options.supervisor
    # 1. Conflicts. The caller holds the ticket of this start and the lock of the build name (`turn.py`).
    supervisor.check(paths, environ)
    runner = check_living(options)
    started_s = inf
    if runner is not None:
        started_s = began_at_s(runner)
        options = follow(options, runner)
        log(
            f"runner: process {runner.pid} ({runner.name}) is already running this build; log {options.log_path}"
        )
    keep, keep_builds = env.keep(environ), env.keep_builds(environ)
    request = new_request(options)
    check_log(Path(request.log_path))
    has_template = options.only is None and options.template_command is not None
    if has_template:
        check_launch_log(paths.build_name, env.launch_log_dir(environ))
    report_left_out(environ)
    # 2. List of the existing reports.
    baseline = baseline_of(options, started_s)
    # 3. Template.
    if has_template and not options.check:
        log(f"template: {shlex.quote(options.template_command or '')}")
        run_template_step(options)
    # 4. Preflight. A runner that is already running cannot be refused any more.
    preflight = run_preflight(options, warn_only=runner is not None)
    if options.check:
        return StartResult(started=False, preflight=preflight)
    if options.only is None and runner is None:
        # Only in this case can nothing change the config between this check and the start of the runner.
        request = replace(request, planned_specs=preflight.planned)
    # 5. Reset.
    ended = None
    with prepare(request, options, baseline, keep):
        prune(paths, keep_builds)
        if has_template:
            keep_output(paths.build_name, env.launch_log_dir(environ), paths.template_log)
        if runner is not None:
            read_log_from_its_start(request, paths, started_s)
        # 6. Watcher.
        start_watcher(request, options)
        report_watching(request, paths)
        # 7. Runner, and 8. its first moments.
        if options.only is None:
            start_runner(request, options)
            ended = await_first_moments(request, options, watched=True)
    return StartResult(
        started=True, run_id=request.run_id, preflight=preflight, ended=ended, log=request.log_path
    )
