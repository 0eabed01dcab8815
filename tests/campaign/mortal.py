"""A process that dies at its own operation: `python -m tests.campaign.mortal KIND N ROOT NOTE COMMAND...`.

Runs `atvm-pipeline COMMAND...`, which gets SIGKILL just before its Nth operation of that kind on a file below
ROOT, or with the webhook: make, write, sync, rename, remove, truncate, spawn, connect, send, recv, or any;
half: in the middle of a write. The intended operation is written to NOTE. The product knows nothing of it:
Python's audit hook intercepts the operations, and replacements intercept the few that the hook does not
report.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

AUDITED = {"os.rename": "rename", "os.remove": "remove", "os.truncate": "truncate", "os.mkdir": "make"}


class Mortal:
    """Counts operations until the one that is the last."""

    def __init__(self, kind: str, number: int, root: str, note: Path) -> None:
        self.kind, self.left, self.root, self.note = kind, number, root, note
        self._lock = threading.Lock()

    def meet(self, kind: str, what: str) -> None:
        """Count this operation, which is about to happen."""
        if self._is_last(kind):
            self.die(kind, what)

    def _is_last(self, kind: str) -> bool:
        if self.kind not in (kind, "any"):
            return False
        with self._lock:
            self.left -= 1
            return self.left == 0

    def die(self, kind: str, what: str) -> None:
        self.note.write_text(f"{kind} {what}")
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()

    def ours(self, path: object) -> str | None:
        """Return the path below the root, None for any other file."""
        if isinstance(path, int):
            try:
                path = os.readlink(f"/proc/self/fd/{path}")
            except OSError:
                return None
        if not isinstance(path, str | os.PathLike):
            return None
        text = os.fspath(path)
        return text.removeprefix(self.root) if isinstance(text, str) and text.startswith(self.root) else None

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """Handle Python's audit hook."""
        if event == "open":
            path, _, flags = args
            made = isinstance(flags, int) and flags & os.O_CREAT and self.ours(path)
            if made:
                self.meet("make", str(made))
        elif event in AUDITED:
            found = self.ours(args[0])
            if found is not None:
                self.meet(AUDITED[event], found)
        elif event == "socket.connect":
            self.meet("connect", "webhook")
        elif event == "subprocess.Popen":
            self.meet("spawn", " ".join(map(str, args[1]))[-80:])

    def install(self) -> None:
        """Intercept every operation from now on."""
        write, fsync, fdatasync = os.write, os.fsync, os.fdatasync

        def dying_write(descriptor: int, data: Any) -> int:
            found = self.ours(descriptor)
            if found is not None:
                self.meet("write", found)
                if self._is_last("half"):
                    write(descriptor, bytes(data)[: len(data) // 2])
                    self.die("half", found)
            return write(descriptor, data)

        def dying(sync: Callable[[int], None]) -> Callable[[int], None]:
            def synced(descriptor: int) -> None:
                found = self.ours(descriptor)
                if found is not None:
                    self.meet("sync", found)
                sync(descriptor)

            return synced

        os.write, os.fsync, os.fdatasync = dying_write, dying(fsync), dying(fdatasync)
        self._meet_sockets()
        sys.addaudithook(self.hook)

    def _meet_sockets(self) -> None:
        sendall, recv_into = socket.socket.sendall, socket.socket.recv_into

        def dying_sendall(sock: socket.socket, data: Any, *flags: int) -> None:
            self.meet("send", "webhook")
            if self._is_last("half"):
                sendall(sock, bytes(data)[: len(data) // 2])
                self.die("half", "webhook")
            sendall(sock, data, *flags)

        def dying_recv_into(sock: socket.socket, *args: Any, **options: Any) -> int:
            self.meet("recv", "webhook")
            return recv_into(sock, *args, **options)

        socket.socket.sendall = dying_sendall  # type: ignore[method-assign,assignment]
        socket.socket.recv_into = dying_recv_into  # type: ignore[method-assign,assignment]


def main(argv: list[str]) -> int:
    kind, number, root, note, *command = argv
    Mortal(kind, int(number), root.rstrip("/") + "/", Path(note)).install()
    from atvm_pipeline.cli.main import script

    sys.argv = ["atvm-pipeline", *command]
    return script()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
