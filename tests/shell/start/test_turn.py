"""Turn of a start: which resources keep it from starting, what it waits for, and which start comes first."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from atvm_pipeline.core.events import Metadata
from atvm_pipeline.shell.exit_codes import IN_USE, CommandError
from atvm_pipeline.shell.start import turn
from atvm_pipeline.shell.start.resources import commands_environment, resources_of
from atvm_pipeline.shell.start.start_options import StartOptions
from atvm_pipeline.shell.start.tickets import draw_ticket, waiting_starts
from atvm_pipeline.shell.start.turn import start_turn
from atvm_pipeline.shell.system.files import is_locked, locked
from tests.support.start_options import save_request, start_options
from tests.support.waiting import wait_for

INVENTORY = "| Host | Kernel |\n| --- | --- |\n| redhat9.6 | 5.14 |\n| ubuntu24.04 | 6.8 |\n| w2k25 | 10 |\n"
LIVING = "e2e-redhat9.6-w2k25-fc"
OTHER = "e2e-redhat9.6-iscsi"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "TURN_POLL_S", 0.02)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    inventory = tmp_path / "work" / "atvm" / "inventory" / "vm-inventory.md"
    inventory.parent.mkdir(parents=True)
    inventory.write_text(INVENTORY)
    return tmp_path


@pytest.fixture
def living(root: Path) -> Iterator[ExitStack]:
    """A living run of two hosts; closing the stack ends it."""
    paths = save_request(
        root,
        LIVING,
        inventory_path=str(root / "work/atvm/inventory/vm-inventory.md"),
        config_path="/c/gold.ts",
    )
    with ExitStack() as runner:
        runner.enter_context(locked(paths.runner_lock))
        yield runner


def refusal(options: StartOptions) -> str:
    """Return the text with which a start is refused, in one line."""
    with pytest.raises(CommandError) as refused, start_turn(options):
        pytest.fail("the start must be refused")
    assert refused.value.code == IN_USE
    assert "\n" not in str(refused.value)
    return str(refused.value)


def passes(options: StartOptions) -> bool:
    with start_turn(options):
        return is_locked(options.paths.start_lock)


def test_a_host_of_a_living_run_refuses_the_start_and_names_host_run_and_remedy(
    root: Path, living: ExitStack
) -> None:
    text = refusal(start_options(root, OTHER))

    assert text.startswith(f"host redhat9.6 is in use by the running build {LIVING}; ")
    assert "wait for it with --wait, or continue with --share-hosts" in text
    living.close()
    assert passes(start_options(root, OTHER))


@pytest.mark.parametrize(
    ("build", "fields"),
    [
        ("e2e-ubuntu24.04-fc", {}),
        ("e2e-redhat9.60-fc", {}),
        (OTHER, {"hosts": ("ubuntu24.04",)}),
        (OTHER, {"share_hosts": True}),
        ("e2e-rehdat9.6-fc", {}),
    ],
    ids=["another", "similar", "named", "shared", "looks-like"],
)
def test_other_hosts_and_those_that_only_look_like_one_refuse_nothing(
    build: str, fields: dict[str, object], root: Path, living: ExitStack
) -> None:
    assert passes(start_options(root, build, **fields))


def test_named_hosts_and_those_of_the_pattern_count(root: Path, living: ExitStack) -> None:
    assert "host w2k25 is" in refusal(start_options(root, "nightly", hosts=("W2K25",)))
    assert "hosts redhat9.6, w2k25 are" in refusal(start_options(root, "x-redhat9.6-w2k25"))


def test_the_hosts_of_a_living_run_are_those_of_its_state(root: Path, living: ExitStack) -> None:
    state = {
        "build_name": LIVING,
        "run_id": "0123456789abcdef",
        "phase": "RUNNING",
        "ledger": {"planned": 0},
        "post": None,
        "subruns": [],
        "reason": {"code": "running", "text": "", "evidence": []},
        "host_sources": {"ubuntu24.04": "inventory", "redhat9.6": "looks-like"},
    }
    (root / "state" / LIVING / "state.json").write_text(json.dumps(state))

    assert passes(start_options(root, OTHER))
    assert "ubuntu24.04" in refusal(start_options(root, "e2e-ubuntu24.04-fc"))


def test_everything_that_is_in_use_is_named_at_once(root: Path, living: ExitStack) -> None:
    config = Metadata(config_file="/c/gold.ts")
    text = refusal(start_options(root, OTHER, metadata=config))

    assert "config file /c/gold.ts and host redhat9.6 are in use" in text
    assert "continue with --share-config and --share-hosts" in text
    assert "host" not in refusal(start_options(root, OTHER, metadata=config, share_hosts=True)).split(";")[0]
    assert passes(start_options(root, OTHER, metadata=config, share_hosts=True, share_config=True))


def test_the_log_of_a_living_run_can_not_be_shared(root: Path, living: ExitStack) -> None:
    log = str(root / "state" / LIVING / "runner.log")
    options = start_options(root, "nightly", share_hosts=True, share_config=True)
    text = refusal(
        start_options(root, "nightly", environ={**options.environ, "ATVM_RUNNER_LOG": log}, share_hosts=True)
    )

    assert f"log {log} is in use" in text
    assert "set ATVM_RUNNER_LOG to another file" in text


def test_of_two_starts_at_once_with_a_common_host_the_second_is_refused(root: Path) -> None:
    with start_turn(start_options(root, "first-redhat9.6")):
        text = refusal(start_options(root, OTHER))
        assert passes(start_options(root, "e2e-ubuntu24.04-fc"))

    assert "host redhat9.6 is reserved by the start of build first-redhat9.6 (process" in text
    assert "is under way; wait for it with --wait" in text


def test_a_start_that_shares_its_config_keeps_others_from_using_it(root: Path) -> None:
    config = Metadata(config_file="gold.ts")
    with start_turn(start_options(root, "first", metadata=config, share_config=True)):
        text = refusal(start_options(root, "second", metadata=config))

    assert "gold.ts is reserved by the start of build first" in text


def test_two_starts_of_one_build_exclude_each_other(root: Path) -> None:
    with start_turn(start_options(root, OTHER)):
        text = refusal(start_options(root, OTHER, share_hosts=True))

    assert f"build {OTHER} is being started or cancelled by another command" in text


def test_a_start_waits_for_the_run_that_it_names_and_then_holds_the_lock(
    root: Path, living: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    threading.Timer(0.2, living.close).start()
    assert passes(start_options(root, OTHER, wait_s=60.0))
    lines = capfd.readouterr().err.splitlines()

    assert lines[0].startswith(f"waiting for the running build {LIVING}, which uses host redhat9.6; until 2")
    assert lines[0].endswith("at the latest (--wait-timeout 60)")
    assert lines[1].startswith("the wait is over after ")
    assert len(lines) == 2


def test_a_wait_ends_at_its_limit_and_names_what_it_waited_for(root: Path, living: ExitStack) -> None:
    text = refusal(start_options(root, OTHER, wait_s=0.1))

    assert text.startswith("gave up after waiting ")
    assert f"for the running build {LIVING}, which uses host redhat9.6; nothing was started" in text
    assert waiting_starts(root / "state") == []


def test_a_start_waits_for_the_runner_of_its_own_build(root: Path, living: ExitStack) -> None:
    text = refusal(start_options(root, LIVING, wait_s=0.1))

    assert f"for the running build {LIVING}; nothing was started" in text
    assert "is alive; cancel it first with: " in refusal(start_options(root, LIVING))


def test_a_start_that_came_earlier_goes_first_even_while_the_host_is_free(root: Path) -> None:
    first = start_options(root, "first-redhat9.6")
    with draw_ticket(root / "state", resources_of(first), waiting=True):
        behind = refusal(start_options(root, OTHER))
        queued = refusal(start_options(root, OTHER, wait_s=0.05))
        same = refusal(start_options(root, "first-redhat9.6"))

    assert "reserved by the start of build first-redhat9.6" in behind
    assert "which waits for its turn" in behind
    assert "for the start of build first-redhat9.6" in queued
    assert "queue this one behind it with --wait" in same
    assert passes(start_options(root, OTHER))


def test_waiting_starts_get_their_turn_in_the_order_in_which_they_came(root: Path, living: ExitStack) -> None:
    served: list[str] = []

    def one(build: str) -> None:
        with start_turn(start_options(root, build, wait_s=60.0)):
            served.append(build)

    threads = []
    for build in ("b-redhat9.6", "a-redhat9.6", "c-redhat9.6"):
        threads.append(threading.Thread(target=one, args=(build,)))
        threads[-1].start()
        wait_for(lambda: len(waiting_starts(root / "state")) == len(threads), "the ticket")
    living.close()
    for thread in threads:
        thread.join()

    assert served == ["b-redhat9.6", "a-redhat9.6", "c-redhat9.6"]


def test_a_check_does_not_wait(root: Path, living: ExitStack) -> None:
    assert "is in use by" in refusal(start_options(root, OTHER, wait_s=60.0, check=True))


def test_a_check_keeps_no_other_start_from_anything(root: Path) -> None:
    with start_turn(start_options(root, OTHER, check=True)):
        assert passes(start_options(root, OTHER))
    with start_turn(start_options(root, OTHER)):
        assert "is being started or cancelled" in refusal(start_options(root, OTHER, check=True))


def test_a_cancel_in_progress_refuses_the_start(root: Path) -> None:
    options = start_options(root, OTHER)
    with locked(options.paths.start_lock):
        text = refusal(options)

    assert f"build {OTHER} is being started or cancelled by another command" in text


def test_the_requested_hosts_are_in_the_environment_of_both_commands(root: Path) -> None:
    options = start_options(root, "e2e-redhat9.6-ubunut24.04-w2k25-fc")
    named = start_options(root, OTHER, hosts=("w2k25", "ubuntu24.04"), command_environment={"A": "b"})

    assert commands_environment(options)["ATVM_RUN_HOSTS"] == "redhat9.6,ubunut24.04,w2k25"
    assert commands_environment(named) == {"A": "b", "ATVM_RUN_HOSTS": "w2k25,ubuntu24.04"}
    assert commands_environment(start_options(root, "nightly"))["ATVM_RUN_HOSTS"] == ""
