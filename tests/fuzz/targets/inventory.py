"""The reader of inventories."""

from collections.abc import Iterator

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.hosts.host_names import group_name, host_of_spec, hosts_in_label
from atvm_pipeline.core.hosts.inventory import HOSTS_MAX, KERNEL_CHARS_MAX, kernel_of, read_inventory
from atvm_pipeline.core.hosts.requested_hosts import requested_hosts
from tests.fuzz import checks, seeding

MAX_LEN = 16 * 1024
SHORT_RUNS = 1000
WORDS = (
    *(
        b"| host | kernel |\n",
        b"|---|---|\n",
        b"| redhat9.6 | 5.14.0 |\n",
        b"| VM name |",
        b"| ESXi host |",
        b"|:-:|",
    ),
    *(
        b"```\n",
        b"~~~\n",
        b"\\|",
        b"[a](b)",
        b"[[",
        b"](",
        b"`",
        b"**",
        b"n/a",
        b"\xe2\x80\x93",
        b"\xc4\xb0",
        b"\xef\xac\x80",
    ),
)


def target(data: bytes) -> None:
    """Host names are valid names, kernels are one sanitised line, and each is found again in any case."""
    text = data.decode("utf-8", "replace")
    inventory = read_inventory(text)
    assert len(inventory) <= HOSTS_MAX
    for host, kernel in inventory.items():
        assert host.isascii()
        assert 0 < len(host) <= 128
        assert host[0].isalnum()
        if kernel is not None:
            assert kernel
            checks.harmless(kernel, KERNEL_CHARS_MAX)
        assert kernel_of(inventory, host.swapcase()) == kernel
    known = tuple(inventory)
    name = "-".join(("e2e", *known[:3], "fc"))
    hosts = requested_hosts(name, known, Dialect()).hosts
    assert (
        set(known[:3]) <= set(hosts)
        or len(name) > 128
        or any("-" in host or host in ("e2e", "fc") for host in known)
    )
    for line in text.split("\n")[:8]:
        host_of_spec(line, known, Dialect())
        group_name("e2e-redhat9.6-fc", ("redhat9.6",), hosts_in_label(line, known, Dialect()))


def seeds() -> Iterator[bytes]:
    """Yield our inventories, and tables as people write them."""
    for path in sorted(seeding.FIXTURES.glob("**/*.md")):
        yield path.read_bytes()[:MAX_LEN]
    yield b"# VMs\n\n| OS | Host | Kernel |\n|:--|:-:|--:|\n| RHEL | `redhat9.6` | 5.14.0-570.el9 |\n| W | **w2k25** | n/a |\n"
    yield b"kernel | vm\n--- | ---\n6.1 | [a1](http://x)\n\n```\n| host | kernel |\n|-|-|\n| x | 1 |\n```\n"
