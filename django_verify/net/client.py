"""One outbound HTTP call: timeouts, a size cap, no redirects, no private hosts unless allowed.

`requests` writes and reads; this module holds what its timeouts leave open. A timer shuts the
socket down when the call's time is over, whatever it is doing then.
"""

from __future__ import annotations

import base64
import contextlib
import json as jsonlib
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from django_verify import __version__, conf
from django_verify.net import url_policy

# A connection that was idle for longer may have been forgotten on the way, without a word.
IDLE = 30.0
# Look-ups cannot be interrupted, so only so many may be left behind at a time.
_LOOK_UPS = threading.BoundedSemaphore(64)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """Return the body as JSON. Raises ValueError when it is none."""
        try:
            return jsonlib.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def object(self) -> dict[str, Any]:
        """Return the JSON object in the body; an empty one where there is none."""
        try:
            value = self.json()
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class TransportError(Exception):
    """There is no answer; the text names no host and no content."""


class NotSent(TransportError):
    """The request was not written: the other side cannot have acted on it."""


class HostRefused(NotSent):
    """The host has an IP that is not public, and only public ones are allowed."""


class NotAnswered(TransportError):
    """The request was written, wholly or in part, and the answer is unknown."""


def call(
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
    json: Any = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    public: bool = False,
    connect: float = 2.0,
    read: float = 5.0,
    total: float = 10.0,
    max_bytes: int = 65536,
) -> Answer:
    """Make one request and return the answer, whatever its status, or raise TransportError.

    `connect` seconds for the connection, `read` for each silence, `total` for everything; a longer
    body is cut at `max_bytes`. With `public`, for URLs of strangers: https (http in development),
    and the host is resolved once and refused when any of its IPs is not public.
    """
    started = _Call(connect=connect, public=public)
    content, content_type = _encode(form, json, body)
    sent = {"User-Agent": f"django-verify/{__version__}", **content_type, **(headers or {})}
    if auth is not None:
        pair = base64.b64encode(":".join(auth).encode())
        sent["Authorization"] = f"Basic {pair.decode()}"
    if public:
        _verify(url)
    timer = threading.Timer(total, started.expire)
    timer.daemon = True
    timer.start()
    # A kept connection would skip the look at its IP, so a stranger's URL gets a new one each time.
    adapter = _Adapter() if public else _kept()
    _now.call = started
    answer, failure = None, ""
    try:
        prepared = requests.Request(method, url, headers=sent, data=content).prepare()
        answer = _exchange(adapter, prepared, (connect, read), max_bytes)
    except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
        failure = type(error).__name__
    finally:
        _now.call = None
        timer.cancel()
        started.finish()
        if public:
            adapter.close()
    if answer is None or started.expired:
        # Raised out here, for the error in hand would bring its URL along as the context.
        raise started.failure(failure)
    return answer


def _encode(
    form: Mapping[str, str] | Sequence[tuple[str, str]] | None, json: Any, body: bytes | None
) -> tuple[bytes | None, dict[str, str]]:
    """Return the body and its Content-Type; a body of bytes brings its own in the headers."""
    if form is not None:
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    if json is not None:
        text = jsonlib.dumps(json, separators=(",", ":"), allow_nan=False)
        return text.encode(), {"Content-Type": "application/json"}
    return body, {}


def _verify(url: str) -> None:
    try:
        url_policy.verify(url, plain=conf.debug(), allowed=conf.current().WEBHOOK_ALLOWED_HOSTS)
    except url_policy.Refused:
        refused = True
    else:
        refused = False
    if refused:
        raise HostRefused("the host is not public")


def _exchange(
    adapter: _Adapter,
    prepared: requests.PreparedRequest,
    timeout: tuple[float, float],
    max_bytes: int,
) -> Answer:
    """Write the request and read the answer; without a session there are no redirects, no cookies
    and nothing from the environment.
    """
    response = adapter.send(prepared, stream=True, timeout=timeout)
    try:
        # As it came: what the other side has packed could be of any size.
        body = response.raw.read(max_bytes + 1, decode_content=False)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, body[:max_bytes])
    finally:
        response.close()


class _Call:
    """The call that a thread is making: how far it is, and the socket to shut down at its end."""

    def __init__(self, *, connect: float, public: bool) -> None:
        self.connect, self.public = connect, public
        self.written = self.refused = self.expired = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def attach(self, sock: socket.socket) -> None:
        """Watch a socket; the copy stays the same when TLS takes the original over."""
        with self._lock:
            if self._socket is None:
                self._socket = socket.fromfd(sock.fileno(), sock.family, sock.type)
            if self.expired:
                raise TimeoutError

    def expire(self) -> None:
        """End the call: anyone who reads or writes gets an error at once."""
        with self._lock:
            self.expired = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # the other side was faster
                    self._socket.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        """Let go of the socket, which the next call may use."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def failure(self, kind: str) -> TransportError:
        """Return the error, by whether the request may have reached the other side."""
        if self.refused:
            return HostRefused("the host is not public")
        text = "no answer in time" if self.expired else kind
        return NotAnswered(text) if self.written else NotSent(text)


class _Thread(threading.local):
    """What a thread has: the call it makes, which the connections ask for, and its adapter."""

    call: _Call | None = None
    adapter: _Adapter | None = None
    process = 0


_now = _Thread()


class _Watched(HTTPConnection):
    """A connection to an IP that was looked up, and verified, by the call in hand."""

    used = 0.0

    def _new_conn(self) -> socket.socket:
        now = _now.call
        assert now is not None  # noqa: S101 - only `call` opens connections
        deadline = time.monotonic() + now.connect
        host = getattr(self, "_dns_host", self.host)
        # Connected to the IPs that are looked at here: a name that resolves to another one the
        # second time (DNS rebinding) gains nothing.
        found = _look_up(host, self.port, now.connect)
        if now.public and not all(_may_connect(host, at[4][0], self.port) for at in found):
            now.refused = True
            raise ConnectionRefusedError
        sock = _connect(found, deadline, now)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def send(self, data: Any) -> None:
        """Note that from here on the other side may have got something."""
        now = _now.call
        assert now is not None  # noqa: S101 - only `call` writes
        if self.sock is None:
            self.connect()
        now.attach(self.sock)
        now.written = True
        super().send(data)
        self.used = time.monotonic()


class _WatchedTLS(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    """Connections of one thread to one host; one that was idle for long is opened anew."""

    ConnectionCls = _Watched

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        if connection.sock is not None and time.monotonic() - connection.used > IDLE:
            connection.close()
        return connection


class _PoolTLS(_Pool, HTTPSConnectionPool):
    ConnectionCls = _WatchedTLS


class _Adapter(HTTPAdapter):
    """The adapter of `requests` with these pools: no retries, no proxies, one TLS context."""

    def __init__(self) -> None:
        # No retries: a request that may have arrived could send a second message, so the caller
        # decides.
        super().__init__(pool_connections=8, pool_maxsize=1, max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **more: Any
    ) -> None:
        """Build the pools on our connections."""
        self.poolmanager = PoolManager(
            num_pools=connections, maxsize=maxsize, ssl_context=_tls(), **more
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _PoolTLS}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Verify; the context has the authorities already, which take long to load."""
        conn.cert_reqs = "CERT_REQUIRED"


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)


def _kept() -> _Adapter:
    """Return the thread's adapter with its open connections; a fork must not share them."""
    if _now.adapter is None or _now.process != os.getpid():
        _now.adapter, _now.process = _Adapter(), os.getpid()
    return _now.adapter


def _may_connect(host: str, ip: str, port: int) -> bool:
    """Whether a stranger's URL may lead to this IP: a public one, or a host that is allowed."""
    allowed = conf.current().WEBHOOK_ALLOWED_HOSTS
    listed = url_policy.is_allowed(host, allowed) or url_policy.is_allowed(ip, allowed)
    return listed or url_policy.is_public(ip, port)


def _look_up(host: str, port: int, timeout: float) -> list[Any]:
    """Return the IPs of a host; a look-up that takes too long is left to itself."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            pass
        finally:
            _LOOK_UPS.release()

    if url_policy.is_ip(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    if not _LOOK_UPS.acquire(timeout=timeout):
        raise TimeoutError
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if not found:
        raise ConnectionError
    return found


def _connect(found: list[Any], deadline: float, now: _Call) -> socket.socket:
    """Return a socket to the first IP that answers; each try has half of the time left."""
    for index, (family, kind, protocol, _, target) in enumerate(found):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left if index == len(found) - 1 else left / 2)
            sock.connect(target)
            now.attach(sock)
        except OSError:
            sock.close()
            continue
        sock.settimeout(now.connect)
        return sock
    raise ConnectionRefusedError


class _Quiet(logging.Filter):
    """Drops what the library would log of our calls: their hosts and URLs."""

    def filter(self, record: logging.LogRecord) -> bool:
        return _now.call is None


for _name in ("urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_Quiet())
