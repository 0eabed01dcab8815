"""A process tree on command, for the live player: `+ROLE` starts a child of that role, `-ROLE` kills it.

It holds the runner's lock as the real wrapper does, so that a watcher can see that it is alive.
"""

import fcntl
import os
import subprocess
import sys

NAMES = {"cypress": "cypress", "browser": "electron"}


def main(lock: str) -> None:
    os.makedirs(os.path.dirname(lock), mode=0o700, exist_ok=True)
    fcntl.flock(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    print("ready", flush=True)
    children: dict[str, subprocess.Popen[bytes]] = {}
    for line in sys.stdin:
        sign, role = line[0], line[1:].strip()
        if sign == "+":
            children[role] = subprocess.Popen(
                ["bash", "-c", f"exec -a {NAMES[role]} sleep 300"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # children that were started on command end with this process
            )
        else:
            child = children.pop(role)
            child.kill()
            child.wait()
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
