"""Host names: in build names, labels and spec files, in the inventory, and those that a request names."""
