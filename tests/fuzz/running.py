"""One session with a target: its directory, the processes that try inputs, and the result."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tests.fuzz.registry import found, load
from tests.support.project import PROJECT

RSS_MAX_MB = 1024
"""Memory of one process, instrumentation included."""
SCRATCH = "scratch"
"""In the session's directory: temporary files of the engines."""
INPUT_MAX_S = 60
"""An input that takes longer is a finding. In linear time none takes a second, even on a busy machine."""

_STATUS = re.compile(
    r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/\S+ .*exec/s: (\d+) rss: (\d+)Mb", re.MULTILINE
)


@dataclass
class Outcome:
    """The result of one session."""

    name: str
    executions: int = 0
    rate: int = 0
    """Executions per second, all processes together."""
    edges: int = 0
    features: int = 0
    corpus: int = 0
    """Inputs that each reached something new."""
    rss_mb: int = 0
    findings: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """The end of the output of each process that found something or did not run."""

    def line(self) -> str:
        """Return one line for a person."""
        told = f"{len(self.findings)} findings" if self.findings or self.failures else "nothing found"
        return (
            f"{self.name:<10} {self.executions:>9} executions {self.rate:>6}/s  {self.edges:>5} edges "
            f"{self.features:>6} features  {self.corpus:>5} inputs  {self.rss_mb:>4} MB  {told}"
        )


def session(
    name: str,
    folder: Path,
    *,
    runs: int | None = None,
    minutes: float | None = None,
    jobs: int = 1,
    seed: int = 1,
) -> Outcome:
    """Try inputs of one target in `jobs` processes, for so many executions each or so long; ends at the first finding.

    `folder` keeps the corpus.  The same seed, the same runs and an empty directory lead to the same inputs.
    """
    corpus, options = _prepare(name, folder)
    limit = f"-runs={runs}" if runs is not None else f"-max_total_time={int(60 * (minutes or 1))}"
    engines = [
        _start(name, folder, number, [limit, f"-seed={seed + number}", *options, str(corpus)])
        for number in range(jobs)
    ]
    outcome = Outcome(name)
    for number, engine in enumerate(engines):
        code = engine.wait()
        _read(outcome, code, (folder / f"engine-{number}.log").read_text("utf-8", "replace"))
    shutil.rmtree(folder / SCRATCH)
    outcome.findings = sorted(path for path in folder.glob("found-*") if path.is_file())
    return outcome


def _prepare(name: str, folder: Path) -> tuple[Path, list[str]]:
    """Create the corpus directory with the seeds; return it and the options of the target."""
    target = load(name)
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in (*target.seeds(), *(path.read_bytes() for path in found(name))):
        (corpus / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in dict.fromkeys(target.WORDS)))
    return corpus, [f"-dict={words}", f"-max_len={target.MAX_LEN}"]


def _quoted(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _start(name: str, folder: Path, number: int, options: list[str]) -> subprocess.Popen[bytes]:
    # The engine ends without its exit handlers, so the session removes the files that it leaves.
    scratch = folder / SCRATCH / str(number)
    scratch.mkdir(parents=True, exist_ok=True)
    always = [f"-rss_limit_mb={RSS_MAX_MB}", f"-timeout={INPUT_MAX_S}", "-len_control=0", "-reload=10"]
    always.append(f"-artifact_prefix={folder}/found-")
    with (folder / f"engine-{number}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.engine", name, *always, *options],
            cwd=PROJECT,
            env={**os.environ, "PYTHONHASHSEED": "0", "TMPDIR": str(scratch)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _read(outcome: Outcome, code: int, output: str) -> None:
    for status in _STATUS.findall(output)[-1:]:
        executions, edges, features, corpus, rate, rss_mb = map(int, status)
        outcome.executions += executions
        outcome.rate += rate
        outcome.edges = max(outcome.edges, edges)
        outcome.features = max(outcome.features, features)
        outcome.corpus = max(outcome.corpus, corpus)
        outcome.rss_mb = max(outcome.rss_mb, rss_mb)
    if code != 0:
        outcome.failures.append(f"exit code {code}\n{output[-4000:]}")
