"""One outbound HTTP call: timeouts, a size cap, no redirects, no private hosts unless allowed.

How it is made is in `transport`, which is imported at the first call.
"""

from __future__ import annotations

import base64
import json as jsonlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django_verify import __version__, conf
from django_verify.net import transport, url_policy
from django_verify.net.answers import Answer, HostRefused, NotAnswered, NotSent, TransportError

__all__ = ["Answer", "HostRefused", "NotAnswered", "NotSent", "TransportError", "call"]


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
    content, content_type = _encode(form, json, body)
    sent = {"User-Agent": f"django-verify/{__version__}", **content_type, **(headers or {})}
    if auth is not None:
        pair = base64.b64encode(":".join(auth).encode())
        sent["Authorization"] = f"Basic {pair.decode()}"
    if public:
        _verify(url)
    request = transport.Request(method, url, sent, content)
    times = transport.Times(connect, read, total)
    return transport.exchange(request, times, public=public, max_bytes=max_bytes)


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
