"""The commands to type after a verdict was read."""

import shlex
from typing import Any

from atvm_pipeline.core.phases import TERMINAL_PHASES
from atvm_pipeline.core.text import printable
from atvm_pipeline.shell.state_dir.paths import Paths
from atvm_pipeline.shell.state_dir.reader import liveness, undelivered
from atvm_pipeline.shell.state_dir.run_address import address_of

from .proof import Proof

BY_CODE = {
    "out-of-memory": "journalctl -k --grep 'Out of memory|oom'",
    "host-rebooted": "last -x reboot | head",
}
"""Reason code -> command that leads to the cause; for other codes, it is the log."""


def next_steps(state: dict[str, Any], paths: Paths, proof: Proof | None) -> list[str]:
    """Return at most three commands, each can be typed as shown; [] if there is nothing to do."""
    phase, build = state["phase"], paths.build_name
    steps: list[str] = []
    if phase not in TERMINAL_PHASES:
        step = _open_log(paths, proof) if proof is not None else f"atvm-pipeline status {address_of(paths)}"
        return [printable(step)]
    if liveness(paths)["runner"]:
        steps.append(f"cancel-atvm-runner.sh --build-name {build}")
    if phase not in ("COMPLETED", "CANCELLED"):
        steps.append(BY_CODE.get(str(state["reason"]["code"])) or _open_log(paths, proof))
    if any(owner != "an alert" for owner, _ in undelivered(state)):
        steps.append(f"atvm-pipeline resend {address_of(paths)}")
    return [printable(step) for step in steps if step]


def _open_log(paths: Paths, proof: Proof | None) -> str:
    """Return the command that opens the log at the proof, else at its end; "" without a log."""
    path = proof.path if proof is not None else paths.runner_log
    if proof is None and not path.is_file():
        return ""
    line = proof.line if proof is not None and proof.line is not None else "G"
    return f"less +{line} {shlex.quote(str(path))}"
