"""A webhook's receiver inside the host: each body becomes a line of a file that survives a power cut.

Usage: receiver.py PORT FILE

A message, but no alert, about a build whose name starts with `refused-` gets the answer 403.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Log nothing: the path is the secret, and this receiver must not write it to the journal."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "refused-" in body["text"] and body.get("channel") != "atvm-alerts":
            self.send_error(403)
            return
        line = json.dumps({"at": time.time(), "path": self.path, "body": body}) + "\n"
        with open(sys.argv[2], "a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
