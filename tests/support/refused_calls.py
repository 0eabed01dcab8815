"""Shared helpers for the tests of refusals: a call with bytes, a one-line answer, an unmanaged runner."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

from tests.support.controller import BIN, Controller
from tests.support.project import BUILD
from tests.support.waiting import DEADLINE_S, wait_for

RAW = b"caf\xe9"
"""Bytes that are not UTF-8."""


def raw(host: Controller, *words: bytes | str, environ: dict[bytes, bytes] | None = None, **options: object):
    """Call a wrapper with bytes."""
    return subprocess.run(
        [os.fsencode(BIN / os.fsdecode(words[0])), *words[1:]],
        env={**{os.fsencode(k): os.fsencode(v) for k, v in host.environ.items()}, **(environ or {})},
        cwd=host.workdir,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
        **options,
    )


def one_line(answer: subprocess.CompletedProcess, code: int, *words: str) -> None:
    said = os.fsdecode(answer.stderr) if isinstance(answer.stderr, bytes) else answer.stderr
    assert answer.returncode == code, said
    assert len(said.strip().splitlines()) == 1, said
    assert "Traceback" not in said
    for word in words:
        assert word in said


@contextlib.contextmanager
def foreign_runner(host: Controller, *, build: str = BUILD, script: str = "") -> Iterator[subprocess.Popen]:
    """Start a runner by hand, in the working directory, with its output in `by-hand.log`."""
    program = host.workdir / "by-hand.py"
    program.write_text(script or "import time; print('up', flush=True); time.sleep(300)")
    log = host.workdir / "by-hand.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, str(program), "--build_name", build],
            cwd=host.workdir,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_for(lambda: log.stat().st_size > 0, "the runner by hand")
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
