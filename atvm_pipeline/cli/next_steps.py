"""The commands to type after a verdict was read."""

import shlex

from atvm_pipeline.core.text import printable
from atvm_pipeline.shell.state_dir.reader import undelivered

from .proof import Proof
from .run_state import Call, ShownRun, problems

BY_CODE = {
    "out-of-memory": "journalctl -k --grep 'Out of memory|oom'",
    "host-rebooted": "last -x reboot | head",
}
"""Reason code -> command that leads to the cause; for other codes, it is the log."""


def next_steps(run: ShownRun, call: Call, proof: Proof | None) -> list[str]:
    """Return the next commands, each can be typed as shown; [] if there is nothing to do."""
    assert run.state is not None
    state, phase = run.state, run.phase
    steps = [fix for _, fix in problems(run.paths, state, call) if fix]
    if not run.has_ended:
        if proof is not None:
            return [*steps, _open_log(proof)]
        return steps or [call.command("atvm-pipeline status", run.address)]
    if run.live["runner"]:
        steps.append(call.command("cancel-atvm-runner.sh --build-name", run.paths.build_name))
    if phase not in ("COMPLETED", "CANCELLED"):
        log = call.command("atvm-pipeline logs", run.address) if proof is None else _open_log(proof)
        steps.append(BY_CODE.get(str(state["reason"]["code"]), log))
    if any(owner != "an alert" for owner, _ in undelivered(state)):
        steps.append(call.command("atvm-pipeline resend", run.address))
    return [printable(step) for step in steps]


def _open_log(proof: Proof) -> str:
    """Return the command that opens the log at the proof, else at its end."""
    return f"less +{proof.line or 'G'} {shlex.quote(str(proof.path))}"
