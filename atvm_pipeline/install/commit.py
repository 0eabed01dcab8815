"""The git commit of a checkout, with which `doctor` distinguishes an older checkout from a newer one. Changes nothing."""

from pathlib import Path

from atvm_pipeline.shell.system.subprocesses import ProgramAnswer, run_program

GIT_LIMIT_S = 5.0


def commit_of(checkout: Path) -> str:
    """Return the commit of a checkout without local changes; "" with changes, or if git cannot answer."""
    if not (checkout / ".git").exists():
        return ""
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    head = _git(checkout, "rev-parse", "--verify", "HEAD")
    is_clean = changes.code == 0 and not changes.text
    return head.text if is_clean and head.code == 0 else ""


def is_behind(checkout: Path, commit: str) -> bool:
    """Return whether a checkout certainly has older content than `commit`, the commit of the installed release."""
    head = commit_of(checkout)
    if not commit or not head or head == commit:
        return False
    if _git(checkout, "cat-file", "-e", f"{commit}^{{commit}}").code != 0:
        # The release was made from a commit that this clone has not fetched.
        return True
    return _git(checkout, "merge-base", "--is-ancestor", head, commit).code == 0


def _git(checkout: Path, *words: str) -> ProgramAnswer:
    # Root reads a clone of another user: no hook and no program of that clone is executed.
    safe = (
        "-c",
        f"safe.directory={checkout}",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.hooksPath=/dev/null",
    )
    return run_program(
        "git", "--no-optional-locks", "-C", str(checkout), *safe, *words, timeout_s=GIT_LIMIT_S
    )
