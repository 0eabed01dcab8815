"""The runs of this host: those that nobody watches, messages that wait, and Cypress processes that belong to no watched run."""

from atvm_pipeline.core.errors import DataError
from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.shell.processes.discovery import UnwatchedCypress, find_unwatched_cypress
from atvm_pipeline.shell.state_dir.reader import builds, liveness, posts_pending, read_state
from atvm_pipeline.shell.state_dir.records import Paths, RunnerRecord, read_record
from atvm_pipeline.shell.state_dir.retention import disk_usage
from atvm_pipeline.shell.system.files import is_locked

from .finding import DoctorFinding, Where, bad, good

STRAYS_MAX = 20


def runs(where: Where) -> list[DoctorFinding]:
    """Every run that goes on must be watched, and every message delivered or on its way."""
    try:
        names = builds(where.state_root)
    except OSError as error:
        why = "nothing is known about the runs there"
        return bad("runs", str(error), why, "run it as the user that starts runs")
    findings = [finding for name in names for finding in _run(Paths(where.state_root, name))]
    return findings or good("runs", "every run that goes on is watched, every message is settled")


def _run(paths: Paths) -> list[DoctorFinding]:
    name = paths.build_name
    join = f"start-atvm-run-watcher.sh --attach --build-name {name}"
    try:
        state = read_state(paths)
    except (DataError, OSError) as error:
        why = "its state cannot be told; its journal is what counts"
        return bad("state", f"{name} is CORRUPT: {error}", why, f"{join} (writes it anew from the journal)")
    if state is None or liveness(paths)["watcher"]:
        return []
    if state["phase"] not in TERMINAL_PHASES:
        text = f"{name} is {state['phase']} and nobody watches it"
        return bad("run", text, "nobody will say how it ends", join)
    if posts_pending(state):
        text = f"{name} has a message that was not delivered, and nobody tries"
        return bad("message", text, "its reader knows nothing yet", join)
    posts = [state["post"], *(subrun.get("post") for subrun in state["subruns"])]
    outcomes = {str(post["outcome"]) for post in posts if post is not None}
    lost = sorted(outcomes & {"rejected", "expired", "uncertain"})
    if lost:
        text = f"{name} has a message that is {' and one that is '.join(lost)}"
        return bad("message", text, "its reader may know nothing", f"atvm-pipeline resend {name}")
    return []


def strays(where: Where) -> list[DoctorFinding]:
    """Cypress processes that no living watcher follows."""
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
        why = "nobody will say how they end"
        more = f"{len(found) - STRAYS_MAX} more processes run and no watcher follows them"
        findings += bad("cypress", more, why, "look at them: ps -ef | grep -i cypress")
    return findings


def size(where: Where) -> list[DoctorFinding]:
    """How much is kept of all runs."""
    held = disk_usage(where.state_root)
    more = "" if held.complete else "more than "
    return good("size", f"{held.builds} builds take {more}{held.size // 2**20} MiB in {where.state_root}")


def _stray(stray: UnwatchedCypress) -> list[DoctorFinding]:
    what = f" of build {stray.build_name}" if stray.build_name else ""
    mend = f"look at it: ps -fp {stray.pid}"
    if stray.build_name:
        mend = f"start-atvm-run-watcher.sh --attach --build-name {stray.build_name}"
    text = f"process {stray.pid} ({stray.name}){what} runs and no watcher follows it"
    return bad("cypress", text, "nobody will say how it ends", mend)


def _runner(paths: Paths) -> RunnerRecord | None:
    try:
        return read_record(paths.runner, RunnerRecord)
    except OSError:
        return None
