"""Checks of the runs on this host: runs without a watcher, undelivered messages, and unwatched Cypress processes."""

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import plural
from atvm_pipeline.shell.processes.discovery import UnwatchedCypress, find_unwatched_cypress
from atvm_pipeline.shell.runner.orphans import find_orphan_runners, find_orphan_watchers, missing_text
from atvm_pipeline.shell.state_dir.archived_messages import ArchivedMessages, archived_messages
from atvm_pipeline.shell.state_dir.reader import builds, liveness, posts_of, read_state
from atvm_pipeline.shell.state_dir.records import Paths, RunnerRecord, read_record
from atvm_pipeline.shell.state_dir.retention import disk_usage
from atvm_pipeline.shell.state_dir.run_address import address_of
from atvm_pipeline.shell.system.files import is_locked

from .finding import DoctorFinding, Where, bad, good

STRAYS_MAX = 20
UNREPORTED = "its result will not be reported"


def runs(where: Where) -> list[DoctorFinding]:
    """Check that every unfinished run is watched, and that every message is delivered or will be."""
    try:
        names = builds(where.state_root)
    except OSError as error:
        why = "the runs there cannot be checked"
        return bad("runs", str(error), why, "run doctor as the user that starts runs")
    findings = [finding for name in names for finding in _run(Paths(where.state_root, name))]
    findings += [finding for found in archived_messages(where.state_root) for finding in _archived(found)]
    return findings or good("runs", "every unfinished run is watched, and no message is undelivered")


def _run(paths: Paths) -> list[DoctorFinding]:
    name = paths.build_name
    attach = f"start-atvm-run-watcher.sh --attach --build-name {name}"
    try:
        state = read_state(paths)
    except (DataError, OSError) as error:
        why = "its state cannot be shown; its journal has all the data"
        return bad("state", f"{name} is CORRUPT: {error}", why, f"{attach} (rebuilds it from the journal)")
    if state is None:
        return []
    waiting = [post for _, post in posts_of(state) if post["outcome"] == "pending"]
    if liveness(paths)["watcher"]:
        why = next((f": {post['detail']}" for post in waiting if post.get("detail")), "")
        return (
            good("message", f"{name}: {_waiting(len(waiting))}; its watcher delivers{why}") if waiting else []
        )
    if state["phase"] not in TERMINAL_PHASES:
        text = f"{name} is {state['phase']} and no watcher is running"
        return bad("run", text, "its result will not be reported", attach)
    if waiting:
        text = f"{name}: {_waiting(len(waiting))} and no watcher is running"
        return bad("message", text, "the result has not been posted", attach)
    posts = [state["post"], *(subrun.get("post") for subrun in state["subruns"])]
    outcomes = {str(post["outcome"]) for post in posts if post is not None}
    lost = sorted(outcomes & {"rejected", "expired", "uncertain"})
    if lost:
        text = f"{name} has a message with the outcome {' and one with '.join(lost)}"
        return bad("message", text, "the result may not have been received", f"atvm-pipeline resend {name}")
    return []


def _waiting(count: int) -> str:
    return f"{plural(count, 'message')} {'is' if count == 1 else 'are'} not delivered yet"


def _archived(found: ArchivedMessages) -> list[DoctorFinding]:
    """Return the findings about one archived run whose messages were not all sent."""
    address = address_of(found.paths)
    findings = []
    if found.waiting:
        text = f"{address} (archived): {_waiting(len(found.waiting))}"
        if found.sending:
            why = f": {found.why}" if found.why else ""
            findings += good("message", f"{text}; its sender delivers{why}")
        else:
            fix = f"atvm-pipeline deliver {address} --background"
            findings += bad(
                "message", f"{text} and its sender is not running", "the result has not been posted", fix
            )
    if found.lost:
        outcomes = " and one with ".join(sorted({str(post["outcome"]) for post in found.lost}))
        text = f"{address} (archived) has a message with the outcome {outcomes}"
        findings += bad(
            "message", text, "the result may not have been received", f"atvm-pipeline resend {address}"
        )
    return findings


def strays(where: Where) -> list[DoctorFinding]:
    """Check for Cypress processes that no watcher follows."""
    try:
        names = builds(where.state_root)
    except OSError:
        names = []
    watched: dict[str, int | None] = {}
    for name in names:
        paths = Paths(where.state_root, name)
        if is_locked(paths.watcher_lock):
            record = _runner(paths)
            watched[name] = record.pid if record is not None else None
    roots = {pid for pid in watched.values() if pid is not None}
    found = [
        stray
        for stray in find_unwatched_cypress()
        if not roots & set(stray.ancestors) and stray.build_name not in watched
    ]
    if not found:
        return good("cypress", "no Cypress process without a watcher")
    findings = [finding for stray in found[:STRAYS_MAX] for finding in _stray(stray)]
    if len(found) > STRAYS_MAX:
        count = len(found) - STRAYS_MAX
        more = f"{count} more Cypress {'process is' if count == 1 else 'processes are'} running without a watcher"
        findings += bad("cypress", more, UNREPORTED, "check with: ps -ef | grep -i cypress")
    return findings


def orphans(where: Where) -> list[DoctorFinding]:
    """Check for runners and watchers whose state directory was removed while they are alive."""
    runners, watchers = find_orphan_runners(where.state_root), find_orphan_watchers(where.state_root)
    findings = []
    for runner in runners:
        text = (
            f"the runner of {runner.build_name} is alive ({runner.where()}), but {missing_text(runner.paths)}"
        )
        findings += bad("removed state", text, UNREPORTED, runner.ways_out(where.environ))
    names = {runner.build_name for runner in runners}
    for watcher in watchers:
        if watcher.build_name not in names:
            text = f"a watcher of {watcher.build_name} is alive ({watcher.where()}), but {missing_text(watcher.paths)}"
            stop = watcher.command("cancel-atvm-run-watcher.sh", where.environ)
            findings += bad("removed state", text, UNREPORTED, stop)
    return findings


def size(where: Where) -> list[DoctorFinding]:
    """Report the disk usage of all runs."""
    used = disk_usage(where.state_root)
    more = "" if used.complete else "more than "
    builds_use = f"{plural(used.builds, 'build')} {'uses' if used.builds == 1 else 'use'}"
    return good("size", f"{builds_use} {more}{used.size // 2**20} MiB in {where.state_root}")


def _stray(stray: UnwatchedCypress) -> list[DoctorFinding]:
    of_build = f" of build {stray.build_name}" if stray.build_name else ""
    fix = f"check with: ps -fp {stray.pid}"
    if stray.build_name:
        fix = f"start-atvm-run-watcher.sh --attach --build-name {stray.build_name}"
    text = f"process {stray.pid} ({stray.name}){of_build} is running without a watcher"
    return bad("cypress", text, UNREPORTED, fix)


def _runner(paths: Paths) -> RunnerRecord | None:
    try:
        return read_record(paths.runner, RunnerRecord)
    except OSError:
        return None
