"""A webhook receiver on loopback for the demo: responds like Mattermost and shows each message as a reader sees it."""

import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

BODY_MAX_BYTES = 300_512
"""Mattermost's own default limit (MaximumPayloadSizeBytes and slack)."""


class Receiver:
    """`with Receiver(show) as receiver:` serves `receiver.url` until the block ends."""

    def __init__(self, show: Callable[[dict[str, Any]], None]) -> None:
        """Create the receiver. It calls `show` with the decoded body of every message, on its own thread."""
        path = f"/hooks/{secrets.token_hex(13)}"
        self.messages: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(min(length, BODY_MAX_BYTES))
                if self.path != path:
                    self.send_error(404)
                    return
                message = json.loads(body)
                receiver.messages.append(message)
                show(message)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_args: object) -> None:
                """Log nothing: the path is the secret."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
