"""Loading of the inventory file of an automation root."""

from pathlib import Path

from atvm_pipeline.core.hosts.inventory import read_inventory
from atvm_pipeline.shell.system.files import read_small

INVENTORY_MAX_BYTES = 16 * 1024 * 1024


def load_inventory(path: Path | None) -> dict[str, str | None]:
    """Return host -> kernel; {} if there is no readable inventory: then no kernel is known."""
    if path is None:
        return {}
    try:
        data = read_small(path, INVENTORY_MAX_BYTES)
    except OSError:
        return {}
    return {} if data is None else read_inventory(data.decode("utf-8", "replace"))
