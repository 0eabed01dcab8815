"""Not a reader of this program: it proves that a guided run detects, keeps and minimises a finding."""

from collections.abc import Iterator

MAX_LEN = 256
SHORT_RUNS = 100
WORDS = (b"a word that must not come",)


def target(data: bytes) -> None:
    """Raise for one word."""
    if WORDS[0] in data:
        raise ValueError("it came")


def seeds() -> Iterator[bytes]:
    """Yield an input that does not raise."""
    yield b"x" * 40
