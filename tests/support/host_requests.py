"""Short calls for the tests of requested hosts."""

from typing import Any

from hypothesis import strategies as st

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.hosts.requested_hosts import requested_hosts

PLAIN = Dialect()
NO_PATTERN = Dialect(host="")
INVENTORY = (
    *(
        "redhat8.10",
        "redhat9.6",
        "redhat9.60",
        "centos7.9",
        "oracle9.4",
        "sles15.5",
        "debian12",
        "ubuntu22.04",
    ),
    *("ubuntu24.04", "w2k19", "w2k22", "w2k25"),
)
HOSTS = ("redhat9.6", "ubuntu24.04", "w2k25")

host_names = st.from_regex(r"[a-z]{2,8}[0-9]{1,2}(\.[0-9]{1,2})?", fullmatch=True)


def found(build: str, inventory: Any = INVENTORY, dialect: Dialect = PLAIN, **more: Any) -> dict[str, str]:
    """Return a mapping of host to how it was found."""
    return dict(requested_hosts(build, inventory, dialect, **more).sources)


def hosts(build: str, inventory: Any = INVENTORY, dialect: Dialect = PLAIN, **more: Any) -> tuple[str, ...]:
    return requested_hosts(build, inventory, dialect, **more).hosts


def left(build: str, inventory: Any = INVENTORY, dialect: Dialect = PLAIN, **more: Any) -> tuple[str, ...]:
    """Return the parts that are not checked."""
    return requested_hosts(build, inventory, dialect, **more).not_checked
