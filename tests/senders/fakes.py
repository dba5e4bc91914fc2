"""Providers' HTTP APIs on loopback, each as its documentation has it, and ways for them to fail.

A fake refuses what the provider would and answers as documented; `fault` makes its next answers
something else. Nothing here is shared with the senders.
"""

import base64
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

CODE, PHONE = "904716", "+14155552671"
SECRET = "s3cret-of-the-account"


@dataclass
class Asked:
    """One request as it came in; header names are in lower case."""

    method: str
    path: str
    query: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    peer: tuple = ()

    @property
    def form(self):
        assert self.headers["content-type"].startswith("application/x-www-form-urlencoded")
        values = parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=True)
        return {name: found[0] if len(found) == 1 else found for name, found in values.items()}

    @property
    def json(self):
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    @property
    def authorization(self):
        return self.headers.get("authorization", "")


class Fake:
    """A server on loopback that keeps what it was asked; subclasses are providers."""

    def __init__(self):
        self.asked, self.fault, self.over = [], None, threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                fake._serve(self)

            do_GET = do_PUT = do_POST

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass  # the client has gone, as it should

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, asked):
        """Return status, content and optionally headers: the provider's part."""
        return 200, {}

    def _serve(self, handler):
        url = urlsplit(handler.path)
        asked = Asked(
            handler.command,
            url.path,
            dict(parse_qsl(url.query, keep_blank_values=True)),
            {name.lower(): value for name, value in handler.headers.items()},
            handler.rfile.read(int(handler.headers.get("Content-Length", 0))),
            handler.client_address,
        )
        self.asked.append(asked)
        if callable(self.fault):
            handler.close_connection = True
            self.fault(self, handler)
            return
        status, content, *more = self.fault or self.answer(asked)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        for name, value in (more[0] if more else {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


def slow(fake, handler):
    """Say nothing until the fake is closed."""
    fake.over.wait(10)


def reset(fake, handler):
    """Close with a reset after the request was read."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def hang_up(fake, handler):
    """Close without an answer."""


def drip(fake, handler):
    """Send a header that never ends, one letter at a time."""
    _drip(fake, handler, b"HTTP/1.1 200 OK\r\nX-Long: ")


def drip_body(fake, handler):
    """Send a body that never ends, one letter at a time."""
    _drip(fake, handler, b"HTTP/1.1 200 OK\r\n\r\n")


def _drip(fake, handler, begin):
    handler.wfile.write(begin)
    while not fake.over.wait(0.02):
        handler.wfile.write(b"a")


#: What any provider may do: name → the fault.
FAULTS = {
    "silent": slow,
    "reset": reset,
    "hung up": hang_up,
    "drip": drip,
    "drip of the body": drip_body,
}


@pytest.fixture
def fake():
    """`fake(Provider)` starts a fake for the length of the test."""
    started = []

    def start(kind=Fake):
        started.append(kind())
        return started[-1]

    yield start
    for one in started:
        one.close()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
