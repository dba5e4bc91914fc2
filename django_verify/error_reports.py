"""What an error report may hold of a request: for Sentry's `before_send`, without importing it.

Sentry sends the bodies of requests, their paths, and the variables of every frame. Django's marks
(`sensitive_variables`, `sensitive_post_parameters`) are for Django's own reports: it reads neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

FILTERED = "[Filtered]"

# Parameters, members, headers and variables with a code, a secret, a recipient, or what a person
# is shown; by their words.
_NAMES = (
    *("code", "custom code", "auth payload", "payload", "otp", "expected", "digits"),
    *("secret", "client secret", "auth token", "token", "gate token", "access token", "proof"),
    *("verify proof token", "nonce", "key", "binding secret", "notification token", "password"),
    *("config notification token", "sna client token", "sealed code", "signing secret", "seed"),
    *("to", "recipient", "recipient key", "number", "phone", "phone number", "email", "mail"),
    *("channel data to", "subject", "body", "message", "text", "custom message", "device ip"),
    *(
        "device id",
        "device token",
        "rate limits",
        "payee",
        "amount",
        "details message",
        "details fields",
    ),
    *("details", "hidden details", "metadata", "tags", "template custom substitutions", "config"),
    *("client data json", "authenticator data", "signature", "attestation object", "raw id"),
    *("user handle", "response", "credential", "authorization", "cookie", "http query"),
)
_FLAT = frozenset(name.replace(" ", "") for name in _NAMES)
#: The names as Sentry's own `EventScrubber` compares them.
DENYLIST = sorted({name.replace(" ", joint) for name in _NAMES for joint in ("", "_", "-", ".")})

_NOT_LETTERS = re.compile(r"[^a-z0-9]")
_RECIPIENTS = re.compile(r"(?:\+|%2B)\d{5,}|[^/?&=\s\"']+(?:@|%40)[^/?&\s\"']+", re.IGNORECASE)

Report = dict[str, Any]


def before_send(event: Report, hint: Any = None) -> Report:
    """Take codes, secrets and recipients out of a report; for `before_send_transaction` as well."""
    request = event.get("request") or {}
    _filter_request(request)
    for trace, error in _traces(event):
        _filter_frames(trace, error)
    for crumb in _values(event.get("breadcrumbs")):
        _filter_texts(crumb, "message")
        crumb["data"] = filtered(crumb.get("data"))
    for span in event.get("spans") or ():
        _filter_texts(span, "description")
        span["data"] = filtered(span.get("data"))
    _filter_texts(event, "transaction")
    if "extra" in event:
        event["extra"] = filtered(event["extra"])
    return event


def filtered(value: Any) -> Any:
    """Return members without those of the names, however deep, and texts without recipients."""
    if isinstance(value, Mapping):
        return {
            name: FILTERED if _is_named(name) and member not in (None, "") else filtered(member)
            for name, member in value.items()
        }
    if isinstance(value, list | tuple):
        return [filtered(member) for member in value]
    return _RECIPIENTS.sub(FILTERED, value) if isinstance(value, str) else value


def _is_named(name: object) -> bool:
    return _NOT_LETTERS.sub("", str(name).lower()) in _FLAT


def _filter_request(request: Report) -> None:
    _filter_texts(request, "url")
    for part in ("data", "headers", "cookies", "env"):
        if part in request:
            # A text is a body that nobody could read: it may hold anything.
            whole = isinstance(request[part], str) and request[part]
            request[part] = FILTERED if whole else filtered(request[part])
    if request.get("query_string"):
        request["query_string"] = FILTERED


def _filter_texts(part: Report, name: str) -> None:
    if isinstance(part.get(name), str):
        part[name] = _RECIPIENTS.sub(FILTERED, part[name])


def _traces(event: Report) -> Iterator[tuple[Report, Report]]:
    """Yield each stack trace, with the exception that it belongs to."""
    for kind in ("exception", "threads"):
        for value in _values(event.get(kind)):
            yield value.get("stacktrace") or {}, value
    yield event.get("stacktrace") or {}, {}


def _filter_frames(trace: Report, error: Report) -> None:
    """Drop the variables of a stack that passes through the app, and the named ones of another.

    A library that the app calls has its codes and numbers under names of its own.
    """
    frames = trace.get("frames") or ()
    ours = any(str(frame.get("module")).split(".")[0] == "django_verify" for frame in frames)
    for frame in frames:
        if "vars" in frame:
            frame["vars"] = {} if ours else filtered(frame["vars"])
    if ours and isinstance(error.get("value"), str):
        error["value"] = re.sub(r"\d{4,}", FILTERED, _RECIPIENTS.sub(FILTERED, error["value"]))


def _values(part: Any) -> list[Report]:
    """Return the members of a list, which Sentry has bare or under `values`."""
    found = part.get("values") if isinstance(part, Mapping) else part
    return [value for value in found or () if isinstance(value, dict)]
