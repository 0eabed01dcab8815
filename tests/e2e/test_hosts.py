"""Requested hosts in real runs: which a start refuses, which a run is checked for, and where both are shown."""

import json
from pathlib import Path

import pytest

from atvm_pipeline.cli.options import HOSTS_OPTION_MAX, checked_hosts
from atvm_pipeline.shell.exit_codes import USAGE, CommandError
from tests.support.controller import CONFIG, Controller
from tests.support.cypress_output import encoded, whole_run
from tests.support.refused_calls import one_line

HOSTS = ("redhat9.6", "ubuntu24.04", "w2k25")
LIKE = "looks like a host but no spec matches it; nearest known: "
ADVICE = "; use --hosts, or `not_requested` in the dialect file; nothing was started"


def runner_of(build: str) -> str:
    return f"python3 ./run-sorry-cypress.py --config_file {CONFIG} --build_name {build} --categorize"


@pytest.mark.parametrize(
    ("build", "part", "nearest"),
    [
        ("e2e-redhat9.6-ubunut24.04-w2k25-fc", "ubunut24.04", "ubuntu24.04"),
        ("e2e-rehdat9.6-fc", "rehdat9.6", "redhat9.6"),
        ("e2e-redhat9.6-ubuntu24.04-w2k25-esxi8.0-nvme2-run3", "esxi8.0", "none"),
        ("e2e-redhat9.6-ubuntu24.04-w2k25-aix7.3", "aix7.3", "none"),
        ("e2e-redhat9.6-ubuntu24.04-w2k25-solairs11-fc", "solairs11", "none"),
        ("e2e-redhat-9.6-ubuntu24.04-w2k25-fc", "redhat-9.6", "redhat9.6"),
        ("cmc-e2e-ubunut24.04-fc", "ubunut24.04", "ubuntu24.04"),
    ],
)
def test_a_part_that_looks_like_a_host_and_has_no_spec_is_refused_with_the_nearest_known_host(
    build: str, part: str, nearest: str, host: Controller
) -> None:
    refused = host.start("--check", build=build, runner=runner_of(build), template=None)

    one_line(refused, 11, f"preflight: {part} {LIKE}{nearest}{ADVICE}")


def test_a_start_with_a_misspelt_host_starts_nothing(host: Controller) -> None:
    build = "e2e-redhat9.6-ubunut24.04-w2k25-fc"
    refused = host.start(build=build, runner=runner_of(build))

    assert refused.returncode == 11
    assert refused.stderr.splitlines()[-1].endswith(f"preflight: ubunut24.04 {LIKE}ubuntu24.04{ADVICE}")
    assert host.builds() == []


@pytest.mark.parametrize("part", ["ubuntu2404", "w2k255", "redhat8.10"])
def test_a_host_that_inventory_or_pattern_know_is_refused_by_the_specs_that_there_are(
    part: str, host: Controller
) -> None:
    build = f"e2e-redhat9.6-ubuntu24.04-w2k25-{part}-fc"
    refused = host.start("--check", build=build, runner=runner_of(build), template=None)

    one_line(refused, 11, f"the config's specPattern matches no spec of {part}; it matches ")


def test_before_the_template_has_run_a_check_only_prints_a_notice(host: Controller) -> None:
    build = "e2e-redhat9.6-ubunut24.04-w2k25-fc"
    checked = host.start("--check", build=build, runner=runner_of(build))

    assert checked.returncode == 0, checked.stderr
    assert f"notice: before the template has run, ubunut24.04 {LIKE}ubuntu24.04" in checked.stderr
    assert "hosts checked: redhat9.6, ubunut24.04, w2k25 (ubunut24.04 looks like a host)\n" in checked.stdout


def test_a_run_without_preflight_is_not_completed_next_to_a_misspelt_host(host: Controller) -> None:
    build = "e2e-redhat9.6-ubunut24.04-w2k25-fc"
    state = host.run("--no-preflight", build=build, runner=runner_of(build))

    assert (state["phase"], state["reason"]["code"]) == ("FAILED", "wrong-hosts")
    assert "ubunut24.04 looks like a host: if it is something else, use --hosts" in state["reason"]["text"]
    assert state["host_sources"]["ubunut24.04"] == "looks-like"
    assert [subrun["phase"] for subrun in state["subruns"]] == ["COMPLETED", "FAILED", "COMPLETED"]


@pytest.mark.parametrize(
    ("build", "unchecked"),
    [
        ("e2e-redhat9.6-ubuntu24.04-w2k25-nvme2-run3", "nvme2, run3"),
        ("e2e-redhat9.6-ubuntu24.04-w2k25-fc32-20261127-MIG-1234", "fc32, 20261127, 1234"),
        ("cmc-e2e-redhat9.6-ubuntu24.04-w2k25-vsan8-retry1-v2", "vsan8, retry1, v2"),
    ],
)
def test_transports_counters_dates_and_tickets_start_and_complete_and_are_named_as_not_checked(
    build: str, unchecked: str, host: Controller
) -> None:
    note = f"hosts checked: redhat9.6, ubuntu24.04, w2k25; not checked: {unchecked}"
    checked = host.start("--check", build=build, runner=runner_of(build))
    started = host.start(build=build, runner=runner_of(build))
    assert started.returncode == 0, started.stderr
    host.wait(build)
    state = host.state(build)
    explained = json.loads(host.call("atvm-pipeline", "explain", build, "--json").stdout)

    assert state["phase"] == "COMPLETED", state["reason"]
    assert state["requested_hosts"] == list(HOSTS)
    assert state["host_sources"] == dict.fromkeys(HOSTS, "inventory")
    assert state["not_checked"] == unchecked.split(", ")
    assert state["host_check_note"] == note
    assert f"\n{note}\n" in checked.stdout
    assert f"\n{note}\n" in f"\n{started.stderr}"
    for words in (("status", build), ("explain", "-v", build)):
        assert f" {note} " in " ".join(host.call("atvm-pipeline", *words).stdout.split())
    assert (explained["host_check_note"], explained["not_checked"]) == (note, state["not_checked"])
    assert len(host.texts()) == 3
    for text in host.texts():
        assert f"\nHosts checked in the complete run: {note.removeprefix('hosts checked: ')}\n" in text


def test_named_hosts_alone_are_checked(host: Controller) -> None:
    build = "e2e-redhat9.6-ubunut24.04-w2k25-fc"
    state = host.run(
        "--hosts", "REDHAT9.6, w2k25", "--hosts", "ubuntu24.04", build=build, runner=runner_of(build)
    )

    assert state["phase"] == "COMPLETED", state["reason"]
    assert state["requested_hosts"] == ["redhat9.6", "w2k25", "ubuntu24.04"]
    assert set(state["host_sources"].values()) == {"option"}
    assert state["not_checked"] == ["ubunut24.04"]
    assert host.record("request.json", build)["hosts"] == ["REDHAT9.6", "w2k25", "ubuntu24.04"]
    assert all("not checked: ubunut24.04" in text for text in host.texts())


def test_a_named_host_without_a_spec_is_refused_and_without_preflight_fails_the_run(host: Controller) -> None:
    build = "e2e-redhat9.6-ubuntu24.04-w2k25-fc"
    words = {"build": build, "runner": runner_of(build)}
    refused = host.start("--hosts", "redhat9.6,sles15.5", **words, template=None)
    state = host.run("--hosts", "redhat9.6,sles15.5", "--no-preflight", **words)

    one_line(refused, 11, "matches no spec of sles15.5;")
    assert (state["phase"], state["reason"]["code"]) == ("FAILED", "wrong-hosts")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            ",",
            "redhat9.6,",
            ",redhat9.6",
            "redhat9.6,,w2k25",
            " ",
            "a b",
            "a;b",
            "-x",
            "x-",
            "a/b",
            "é",
            "a\nb",
        ),
        *("x" * 129, "\udcff", ",".join(f"h{number}" for number in range(HOSTS_OPTION_MAX + 1))),
    ],
)
def test_names_that_cannot_be_hosts_are_refused(value: str) -> None:
    with pytest.raises(CommandError, match=r"^--hosts ") as refused:
        checked_hosts(["w2k25", value])

    assert refused.value.code == USAGE


def test_names_are_taken_from_every_option_without_the_blanks_around_them() -> None:
    assert checked_hosts(["redhat9.6, W2K25 ", "a.b_c-d,x"]) == ("redhat9.6", "W2K25", "a.b_c-d", "x")
    assert checked_hosts(None) == ()


def test_a_wrong_name_is_refused_in_one_line_before_the_template(host: Controller) -> None:
    refused = host.start("--hosts=redhat9.6,,w2k25", template="touch ran")
    of_inspect = host.call("atvm-pipeline", "inspect", __file__, "--hosts", "redhat9.6,")

    one_line(refused, 64, "--hosts has '', which is not a host name: use letters")
    one_line(of_inspect, 64, "--hosts has '', which is not a host name: use letters")
    assert not (host.workdir / "ran").exists()


def test_a_run_without_requested_hosts_states_that_hosts_are_not_checked(host: Controller) -> None:
    started = host.start(build="nightly-r2", runner=runner_of("nightly-r2"))
    assert started.returncode == 0, started.stderr
    host.wait("nightly-r2")
    state = host.state("nightly-r2")
    shown = [host.call("atvm-pipeline", command, "nightly-r2").stdout for command in ("status", "explain")]

    assert (state["phase"], state["host_check"]) == ("COMPLETED", False)
    assert state["reason"]["text"] == "All 6 planned specs passed; hosts not checked."
    assert state["host_check_note"] == "hosts not checked; not checked: r2"
    assert len(host.texts()) == 3
    for text in (started.stderr, *shown, *host.texts(), json.dumps(state)):
        assert "hosts not checked" in text
        assert "every requested host" not in text


def test_the_message_of_a_run_that_is_not_categorized_names_its_hosts(host: Controller) -> None:
    build = "e2e-redhat9.6-ubuntu24.04-w2k25-fc32"
    command = runner_of(build).removesuffix(" --categorize")
    host.run(build=build, runner=command, categorize=False)

    (text,) = host.texts()
    assert "\nSpecs: 4 planned = 4 passed, on every requested host; 1 of them check-xml-files.ts\n" in text
    assert "\nHosts checked: redhat9.6, ubuntu24.04, w2k25; not checked: fc32\n" in text


def test_a_dialect_states_what_is_not_requested(host: Controller) -> None:
    (host.workdir / "own.toml").write_text(r"not_requested = 'pure\d\.\d'" + "\n")
    build = "e2e-redhat9.6-ubuntu24.04-w2k25-pure6.5-fc"
    environ = {"ATVM_WATCHER_DIALECT": "own.toml"}
    refused = host.start("--check", build=build, runner=runner_of(build), template=None)
    state = host.run(build=build, runner=runner_of(build), environ=environ)

    one_line(refused, 11, f"pure6.5 {LIKE}none")
    assert (state["phase"], state["not_checked"]) == ("COMPLETED", ["pure6.5"])


def test_the_template_s_parts_are_no_hosts(host: Controller) -> None:
    build = "vmware8.0-redhat9.6-ubuntu24.04-w2k25-fc"
    words = {"build": build, "runner": runner_of(build), "template": None}
    refused = host.start("--check", **words)
    checked = host.start("--check", "--template", "vmware8.0-cmc", **words)

    one_line(refused, 11, "vmware8.0 looks like a host")
    assert checked.returncode == 0, checked.stderr
    assert "\nhosts checked: redhat9.6, ubuntu24.04, w2k25\n" in checked.stdout


# --- the two halves ---


def words_of_a_half(build: str) -> list[str]:
    return [
        *("--build-name", build, "--runner-command", runner_of(build)),
        *("--supervisor", "local", "--categorize"),
    ]


def test_the_runner_s_half_takes_the_hosts_of_the_watcher_and_refuses_others(host: Controller) -> None:
    build = "e2e-ubunut24.04-fc"
    words = words_of_a_half(build)
    watcher = host.call(
        "start-atvm-run-watcher.sh", *words, "--template", "cmc-e2e", "--hosts", "redhat9.6,ubuntu24.04,w2k25"
    )
    other = host.call("start-atvm-runner.sh", *words, "--hosts", "redhat9.6")
    runner = host.call("start-atvm-runner.sh", *words)
    assert watcher.returncode == 0, watcher.stderr
    assert runner.returncode == 0, runner.stderr
    host.wait(build)

    one_line(
        other, 64, "started with --hosts redhat9.6,ubuntu24.04,w2k25: start both halves with the same hosts"
    )
    assert "hosts checked: redhat9.6, ubuntu24.04, w2k25; not checked: ubunut24.04\n" in runner.stderr
    assert host.state(build)["phase"] == "COMPLETED"


def test_a_half_with_hosts_is_refused_if_the_waiting_watcher_has_none(host: Controller) -> None:
    build = "e2e-redhat9.6-ubuntu24.04-w2k25-fc"
    words = words_of_a_half(build)
    watcher = host.call("start-atvm-run-watcher.sh", *words)
    refused = host.call("start-atvm-runner.sh", *words, "--hosts", "redhat9.6")
    alike = host.call("start-atvm-runner.sh", *words, "--check")

    assert watcher.returncode == 0, watcher.stderr
    one_line(refused, 64, "started with no --hosts: start both halves with the same hosts")
    assert "hosts checked: redhat9.6, ubuntu24.04, w2k25\n" in alike.stdout


def test_a_watcher_joins_with_the_hosts_of_the_start_and_with_no_others(host: Controller) -> None:
    state = host.run(
        "--hosts",
        "w2k25,redhat9.6",
        "--no-preflight",
        build="over",
        template=None,
        runner="true",
        categorize=False,
    )
    host.end_watcher("over")
    attach = ["--attach", "--build-name", "over"]
    other = host.call("start-atvm-run-watcher.sh", *attach, "--hosts", "w2k25")
    same = host.call("start-atvm-run-watcher.sh", *attach, "--hosts", "RedHat9.6,w2k25")

    assert state["requested_hosts"] == ["w2k25", "redhat9.6"]
    one_line(other, 64, "was started with --hosts w2k25,redhat9.6;", "leave --hosts out")
    assert same.returncode == 0, same.stderr


@pytest.mark.parametrize(
    "wrapper", ["start-atvm-run.sh", "start-atvm-run-watcher.sh", "start-atvm-runner.sh"]
)
def test_help_of_each_start_wrapper_names_the_option(wrapper: str, host: Controller) -> None:
    assert "--hosts H1,H2" in host.call(wrapper, "--help").stdout


# --- inspect ---


def inspected(host: Controller, log: Path, *words: str) -> dict[str, object]:
    inventory = str(host.workdir / "atvm/inventory/vm-inventory.md")
    answer = host.call(
        "atvm-pipeline", "inspect", str(log), "--exit-code", "0", "--inventory", inventory, *words, "--json"
    )
    assert answer.returncode == 0, answer.stderr
    found: dict[str, object] = json.loads(answer.stdout)
    return found


def test_inspect_compares_a_log_with_the_hosts_of_a_name_or_of_the_option(
    host: Controller, tmp_path: Path
) -> None:
    log = tmp_path / "green.log"
    log.write_bytes(encoded(whole_run("redhat9.6.cy.ts", "check-xml-files.ts")))
    expected = {
        ("--build-name", "e2e-redhat9.6-ubunut24.04-fc"): ("FAILED", ["redhat9.6", "ubunut24.04"], []),
        ("--build-name", "e2e-redhat9.6-esxi8.0-fc"): ("FAILED", ["redhat9.6", "esxi8.0"], []),
        ("--build-name", "e2e-redhat9.6-aix7.3-fc"): ("FAILED", ["redhat9.6", "aix7.3"], []),
        ("--build-name", "e2e-redhat9.6-centos-stream9-fc"): ("COMPLETED", ["redhat9.6"], ["stream9"]),
        ("--build-name", "e2e-redhat9.6-nvme2-run3"): ("COMPLETED", ["redhat9.6"], ["nvme2", "run3"]),
        ("--hosts", "redhat9.6,w2k25"): ("FAILED", ["redhat9.6", "w2k25"], []),
        ("--hosts", "RedHat9.6"): ("COMPLETED", ["redhat9.6"], []),
        ("--build-name", "e2e-w2k25-fc", "--hosts", "redhat9.6"): ("COMPLETED", ["redhat9.6"], ["w2k25"]),
        (): ("COMPLETED", [], []),
    }

    for words, answer in expected.items():
        found = inspected(host, log, *words)
        assert (found["phase"], found["requested_hosts"], found["not_checked"]) == answer
        assert ("on every requested host" in json.dumps(found)) == (
            found["phase"] == "COMPLETED" and bool(answer[1])
        )
        assert ("hosts not checked" in json.dumps(found)) == (not answer[1])
