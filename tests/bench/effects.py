"""Effects, as seen from outside and with their moments: files that are replaced, messages that arrive."""

import ctypes
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

IN_MODIFY = 0x02
IN_MOVED_TO = 0x80
"""inotify(7): a file was written; a file or directory was renamed into the directory."""
DEADLINE_S = 120.0
HEADER = struct.Struct("iIII")

Shows = Callable[[bytes], bool]
"""Whether the content of a file, or the body of a message, is the expected effect."""


class Board:
    """Connects the code that waits for an effect with the observer that sees it."""

    def __init__(self) -> None:
        self._seen = threading.Condition()
        self._found: dict[str, float] = {}
        self._wanted: dict[str, tuple[object, Shows]] = {}

    def want(self, name: str, source: object, shows: Shows) -> None:
        """Check the content from `source` for the effect from now on; to be called before the stimulus."""
        with self._seen:
            self._wanted[name] = (source, shows)

    def told(self, source: object, data: bytes, at_s: float) -> None:
        """Report that `source` had this content at that moment (time.perf_counter)."""
        with self._seen:
            for name, (wanted, shows) in list(self._wanted.items()):
                if wanted == source and shows(data):
                    del self._wanted[name]
                    self._found[name] = at_s
            self._seen.notify_all()

    def wait(self, name: str) -> float:
        """Return the moment of the effect. Ends the bench if it does not come."""
        with self._seen:
            if not self._seen.wait_for(lambda: name in self._found, DEADLINE_S):
                raise SystemExit(f"waited {DEADLINE_S:.0f} s in vain for {name}")
            return self._found.pop(name)


class Inotify:
    """inotify(7) without a library: an observer that measures must not wait in the queues of a library."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_CLOEXEC)

    def close(self) -> None:
        """Close it; no thread may be reading."""
        os.close(self._descriptor)

    def wake(self) -> None:
        """Let the thread that reads return: the end of a watch is an event."""
        self._libc.inotify_rm_watch(self._descriptor, self.add(Path("/"), IN_MOVED_TO))

    def add(self, path: Path, mask: int) -> int:
        """Watch `path`, which must exist; return the watch's number."""
        watch: int = self._libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask)
        if watch < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(path))
        return watch

    def read(self) -> list[tuple[int, bytes]]:
        """Wait for the next events; return watch numbers, with the name of a file in a watched directory."""
        found: list[tuple[int, bytes]] = []
        data = os.read(self._descriptor, 65536)
        position = 0
        while position < len(data):
            watch, _mask, _cookie, length = HEADER.unpack_from(data, position)
            found.append(
                (watch, data[position + HEADER.size : position + HEADER.size + length].rstrip(b"\0"))
            )
            position += HEADER.size + length
        return found


class Replacements:
    """Reports each replaced file to the board, with the moment at which the new content had been read."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._inotify = Inotify()
        self._files: dict[tuple[int, bytes], Path] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._closed = True
        self._inotify.wake()
        self._thread.join()
        self._inotify.close()

    def follow(self, path: Path) -> None:
        """Report each new content of `path`, whose directory must exist."""
        self._files[self._inotify.add(path.parent, IN_MOVED_TO), os.fsencode(path.name)] = path

    def _follow(self) -> None:
        while not self._closed:
            for happened in self._inotify.read():
                path = self._files.get(happened)
                if path is not None:
                    try:
                        content = path.read_bytes()
                    except FileNotFoundError:
                        continue
                    self._board.told(path, content, time.perf_counter())


class Receiver:
    """A webhook on loopback that answers as Mattermost does.

    The moment of a message is the moment of its connection.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/hooks/abcdefghijklmnopqrstuvwxyz"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        # The shutdown, not the close, wakes the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            at_s = time.perf_counter()
            with connection:
                connection.settimeout(DEADLINE_S)
                body = _request(connection)
                # Connections without data do not come from a watcher.
                if body:
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
                    )
                    self._board.told(self, body, at_s)


def _request(connection: socket.socket) -> bytes:
    """Return head and body of one request."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + body
