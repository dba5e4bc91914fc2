"""The emulator's server and its worker: threads of one process."""

from __future__ import annotations

import ssl
import threading
from typing import Any

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections

from django_verify import delivery, verifications
from django_verify.events import outbox
from django_verify.logs import logger

#: Seconds between two looks of the worker at what is due.
INTERVAL = 0.5


class Handler(WSGIRequestHandler):
    """Logs nothing, and sends the body of an answer at once after its headers."""

    # Otherwise the second part waits for the client's acknowledgement of the first, 40 ms long.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Leave requests out: their paths hold recipients."""


class Server(ThreadedWSGIServer):
    """Answers each connection in a thread of its own, by https where it has a certificate."""

    request_queue_size = 128

    def __init__(self, host: str, port: int, certificate: str = "", key: str = "") -> None:
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate, key)
        super().__init__((host, port), Handler, ipv6=":" in host)
        self.set_app(get_wsgi_application())

    @property
    def scheme(self) -> str:
        """How clients reach it."""
        return "https" if self._context else "http"

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Greet the client in its own thread, where one that keeps silent holds up nobody."""
        if self._context is None:
            super().finish_request(request, client_address)
        else:
            with self._context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave out what a client has broken off."""

    def setup_environ(self) -> None:
        """Tell the application by which scheme it is reached."""
        super().setup_environ()
        if self._context is not None:
            self.base_environ["HTTPS"] = "on"


class Worker(threading.Thread):
    """Sends what is due: messages again, webhooks, and the end of what has run out."""

    def __init__(self) -> None:
        super().__init__(name="worker", daemon=True)
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Look until the end."""
        while not self._stop_asked.wait(INTERVAL):
            try:
                delivery.deliver_due()
                outbox.deliver_due(100, 4)
                verifications.expire()
            except Exception as error:  # noqa: BLE001 - the next look may do
                logger.error("the worker failed: %s", type(error).__name__)
                connections.close_all()
        connections.close_all()

    def stop(self) -> None:
        """End after the look in hand."""
        self._stop_asked.set()
        self.join(10)
