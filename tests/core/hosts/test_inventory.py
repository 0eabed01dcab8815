import time

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.hosts.inventory import HOSTS_MAX, INVENTORY_LINES_MAX, kernel_of, read_inventory

INVENTORY = """
# VM inventory

Kept by hand | not a table

| Host | OS name | Kernel | Transport |
|:-----|---------|:------:|----------:|
| redhat9.6 | RHEL \\| 9.6 | 5.14.0-570.el9 | fc |
| `ubuntu24.04` | Ubuntu | **6.8.0-45-generic** | fc |
| w2k25 | Windows | | fc |
| sles15.5 | SLES | n/a |
| | nothing | 1.2.3 | |
| [rocky9.5](https://example.invalid/r) (gold) | Rocky | 5.14 | fc |

## More

ESXi host | VM name | Kernel version
--- | --- | ---
esx01 | centos7.9 | 3.10.0-1160.el7
esx01 | debian12 | unknown

| Setting name | Value |
|---|---|
| quiet | 3600 |

```
| Host | Kernel |
|---|---|
| in-code | 1 |
```
"""


def test_hosts_and_kernels_come_from_every_table_that_has_both() -> None:
    assert read_inventory(INVENTORY) == {
        "redhat9.6": "5.14.0-570.el9",
        "ubuntu24.04": "6.8.0-45-generic",
        "w2k25": None,
        "sles15.5": None,
        "rocky9.5": "5.14",
        "centos7.9": "3.10.0-1160.el7",
        "debian12": None,
    }


def test_line_ends_of_windows_change_nothing() -> None:
    assert read_inventory(INVENTORY.replace("\n", "\r\n")) == read_inventory(INVENTORY)


def test_of_two_rows_for_a_host_the_first_with_a_kernel_counts() -> None:
    text = "|vm|kernel|\n|-|-|\n|w2k25||\n|W2K25|10.0|\n|w2k25|11.0|\n"

    assert read_inventory(text) == {"w2k25": "10.0"}


def test_a_table_ends_where_its_rows_end() -> None:
    assert read_inventory("|vm|kernel|\n|-|-|\n|a|1|\n\n|b|2|\n") == {"a": "1"}


def test_a_row_that_ends_before_its_host_reports_nothing() -> None:
    text = "|kernel|host|\n|-|-|\n|1.0|\n|2.0|b|\n"

    assert read_inventory(text) == {"b": "2.0"}


def test_a_row_that_ends_before_its_kernel_names_a_host_all_the_same() -> None:
    assert read_inventory("|host|kernel|\n|-|-|\n|a|\n") == {"a": None}


def test_lines_without_a_delimiter_row_are_not_a_table() -> None:
    assert read_inventory("|vm|kernel|\n|a|1|\n") == {}
    assert read_inventory("|vm|kernel|\n|-|\n|a|1|\n") == {}


def test_a_kernel_is_found_without_regard_to_case() -> None:
    inventory = {"RedHat9.6": "5.14", "w2k25": None}

    assert kernel_of(inventory, "redhat9.6") == "5.14"
    assert kernel_of(inventory, "w2k25") is None
    assert kernel_of(inventory, "redhat9.60") is None


def test_what_is_kept_is_bounded() -> None:
    rows = "".join(f"|h{n}|{'9' * 500}|\n" for n in range(HOSTS_MAX + 10))
    inventory = read_inventory("|vm|kernel|\n|-|-|\n" + rows)

    assert len(inventory) == HOSTS_MAX
    assert {len(kernel or "") for kernel in inventory.values()} == {120}


def test_rows_after_the_last_line_that_is_read_are_left_out() -> None:
    table = "|vm|kernel|\n|-|-|\n|redhat9.6|5.14|\n"

    assert read_inventory("\n" * (INVENTORY_LINES_MAX - 3) + table) == {"redhat9.6": "5.14"}
    assert read_inventory("\n" * INVENTORY_LINES_MAX + table) == {}


@pytest.mark.exhaustive
def test_a_hostile_file_costs_little() -> None:
    began = time.process_time()
    for text in ("|" * 4_000_000, "|\n" * 2_000_000, "[a](" * 1_000_000, ("|" + "[" * 4000 + "\n") * 500):
        read_inventory(text)
        read_inventory("|vm|kernel|\n|-|-|\n" + text)

    assert time.process_time() - began < 20


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="|-: \n`host kernel\\[]()", max_size=120))
def test_no_text_raises(text: str) -> None:
    for host, kernel in read_inventory(text).items():
        assert host
        assert kernel is None or kernel
