"""No reader of ours: the proof that what a guided run finds is seen, kept and made small."""

from collections.abc import Iterator

MAX_LEN = 256
SHORT_RUNS = 100
WORDS = (b"a word that must not come",)


def target(data: bytes) -> None:
    """Raise for one word."""
    if WORDS[0] in data:
        raise ValueError("it came")


def seeds() -> Iterator[bytes]:
    """Something harmless."""
    yield b"x" * 40
