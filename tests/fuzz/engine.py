"""One coverage-guided run of one target, in a separate process: atheris (libFuzzer) over the instrumented package.

    python -m tests.fuzz.engine TARGET [options of libFuzzer] [CORPUS...]

Exit code 0: nothing was found; 77: an exception; others: libFuzzer's own (time, memory).
"""

import sys

import atheris

from tests.fuzz.registry import load

INSTRUMENTED = ("atvm_pipeline", "http", "urllib3", "tomllib", "email")
"""Our code, and the libraries with which it reads responses and dialects."""


def main() -> None:
    """Instrument, set up, run; does not return."""
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=[*INSTRUMENTED], enable_loader_override=False):
        module = load(name)
    mutate = getattr(module, "mutate", None)
    more = {}
    if mutate is not None:
        more["custom_mutator"] = lambda data, size, seed: mutate(bytes(data), size, seed, atheris.Mutate)
    atheris.Setup(sys.argv, module.target, **more)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
