"""Serves page.html to the office's browsers, and passes their streams on to Cakupan's API.

    python serve.py --api http://127.0.0.1:8000 --port 8090        # then open http://127.0.0.1:8090

EventSource can send no headers, so a key has no place in a browser. Where villages are to be shown, which need one, it
stands here: CAKUPAN_API_KEY. Whoever reaches this server then sees what the key opens: keep it inside the office.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).with_name("page.html")
PASSED_ON = ("Accept", "Last-Event-ID")


class Office(BaseHTTPRequestHandler):
    """The page at /, the stream at /v1/stream, and nothing else."""

    api: str

    def do_GET(self) -> None:
        if self.path == "/":
            self.answer(200, "text/html; charset=utf-8", PAGE.read_bytes())
        elif self.path.partition("?")[0] == "/v1/stream":
            self.pass_on()
        else:
            self.answer(404, "text/plain", b"there are / and /v1/stream")

    def log_message(self, *_: object) -> None:
        """No access log: who asked for which region is nobody's business."""

    def answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def pass_on(self) -> None:
        headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        if key := os.environ.get("CAKUPAN_API_KEY"):
            headers["Authorization"] = f"Bearer {key}"
        wanted = urllib.request.Request(self.api + self.path, headers=headers)  # noqa: S310 -- `main` took http only
        try:
            stream = urllib.request.urlopen(wanted, timeout=60)  # noqa: S310
        except urllib.error.HTTPError as error:
            return self.answer(error.code, error.headers.get_content_type(), error.read())
        except OSError as error:
            return self.answer(502, "text/plain", f"the API is away: {error}".encode())
        with stream:
            self.send_response(200)
            self.send_header("Content-Type", stream.headers["Content-Type"])
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            with contextlib.suppress(OSError):  # either side has gone; the browser comes back with the last id
                while piece := stream.read1():
                    self.wfile.write(piece)
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description="Serves the page, and passes streams on.")
    parser.add_argument("--api", default="http://127.0.0.1:8000", help="address of Cakupan's API")
    parser.add_argument("--port", type=int, default=8090, help="where browsers come to, on loopback")
    options = parser.parse_args()
    if not options.api.startswith(("http://", "https://")):
        parser.error("--api begins with http:// or https://")
    Office.api = options.api.rstrip("/")
    with ThreadingHTTPServer(("127.0.0.1", options.port), Office) as server:
        print(f"open http://127.0.0.1:{options.port}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
