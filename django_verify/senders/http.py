"""Sends through any gateway with an HTTP API that its options can describe."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from django_verify.senders import rest, signatures
from django_verify.senders.base import Callback, Message, Receipt, Report

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_PLACES = frozenset(
    {
        *("to", "to_digits", "body", "code", "attempt_sid", "locale", "channel"),
        *("subject", "callback_url", "prompt", "send_digits"),
    }
)


@dataclass(frozen=True, slots=True)
class _Reports:
    """How the gateway signs its reports, and the paths of their JSON members."""

    secret: str = field(repr=False)
    header: str
    id_path: str
    status_path: str
    statuses: Mapping[str, str]
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    code_path: str = ""

    def __post_init__(self) -> None:
        if not (self.secret and self.header):
            raise ValueError("callback needs a secret and a header")
        if self.algorithm not in {"sha1", "sha256", "sha384", "sha512"}:
            raise ValueError(f"callback knows no algorithm {self.algorithm!r}")
        if self.encoding not in {"hex", "base64"}:
            raise ValueError("callback's encoding is hex or base64")
        known = {"sent", "delivered", "read", "undelivered", "failed"}
        if wrong := set(self.statuses.values()) - known:
            raise ValueError(f"callback maps to unknown statuses {sorted(wrong)}")


class HttpSender(rest.RestSender):
    """One request to `url` with `fields`, their `{placeholders}` filled; a GET has them as query.

    `id_path`, `price_path`, `currency_path` and `error_path` are paths into the JSON of the answer,
    such as "messages.0.id"; `error_path` is one that only refusals have, unless `success`, a path
    and the value that acceptance has there, distinguishes them. `callback` describes reports.
    """

    def __init__(
        self,
        alias: str,
        *,
        url: str,
        fields: Mapping[str, Any],
        method: str = "POST",
        encoding: str = "json",
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        channels: Collection[str] = ("sms",),
        id_path: str = "",
        price_path: str = "",
        currency_path: str = "",
        error_path: str = "",
        success: tuple[str, str] | None = None,
        permanent_codes: Collection[str] = (),
        temporary_codes: Collection[str] = (),
        callback: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(alias)
        if method not in {"POST", "PUT", "GET"}:
            raise ValueError("method is POST, PUT or GET")
        if encoding not in {"json", "form"}:
            raise ValueError("encoding is json or form")
        if not url.startswith(("https://", "http://")):
            raise ValueError("url begins with https:// or http://")
        pair: Any = auth
        if pair is not None and (isinstance(pair, str) or len(pair) != 2):
            raise ValueError("auth is a name and a password")
        if isinstance(channels, str) or not channels:
            raise ValueError("channels is a list")
        flat = method == "GET" or encoding == "form"
        _examine([url, fields], flat=fields if flat else None)
        self.url, self.fields, self.method, self.encoding = url, fields, method, encoding
        self.headers, self.auth = dict(headers or {}), None if auth is None else (auth[0], auth[1])
        self.channels = frozenset(channels)
        self.paths = [_steps(path) for path in (id_path, price_path, currency_path, error_path)]
        self.success = None if success is None else (_steps(success[0]), str(success[1]))
        self.permanent = frozenset(map(str, permanent_codes))
        self.temporary = frozenset(map(str, temporary_codes))
        self.gives_ids = bool(id_path)
        self.described = None if callback is None else _Reports(**callback)
        self.reporting = callback is not None
        self.statuses = self.described.statuses if self.described else {}

    def request(self, message: Message) -> rest.Request:
        """Fill the fields in one pass, so that what a text holds is never filled again."""
        values = {
            name: getattr(message, name) for name in _PLACES - {"to_digits", "callback_url"}
        } | {"to_digits": message.to.removeprefix("+"), "callback_url": self.callback_of(message)}
        url = _filled(self.url, {name: quote(value, safe="") for name, value in values.items()})
        content = _filled(self.fields, values)
        more: dict[str, Any] = {"method": self.method, "headers": self.headers, "auth": self.auth}
        if self.method == "GET":
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(content)}"
        else:
            more[self.encoding] = content
        return rest.Request(url, **more)

    def receipt(self, data: object) -> Receipt:
        """Read the id and the price by their paths."""
        sid, amount, currency, _ = (rest.pick(data, *path) if path else "" for path in self.paths)
        return Receipt(sid, *rest.money(amount, currency.upper()))

    def error(self, data: object) -> str:
        """Read the code of a refusal; without one, the name of what happened."""
        path = self.paths[3]
        code = rest.pick(data, *path) if path else ""
        if self.success is None:
            return code
        return "" if rest.pick(data, *self.success[0]) == self.success[1] else code or "refused"

    def is_signed(self, callback: Callback) -> bool:
        """Look at the HMAC of the body, in the header that the options name."""
        how = self.described
        if how is None:
            return False
        digest = signatures.digest(how.secret, callback.body, method=how.algorithm)
        text = digest.hex() if how.encoding == "hex" else signatures.encoded(digest)
        return signatures.same(callback.headers.get(how.header.lower(), ""), how.prefix + text)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read the one report of a callback."""
        how = self.described
        if how is None:
            return []
        data = rest.parsed(callback.body)
        paths = [_steps(path) for path in (how.id_path, how.status_path, how.code_path)]
        return self.report(*(rest.pick(data, *path) if path else "" for path in paths))


def _steps(path: str) -> list[str | int]:
    return [int(step) if step.isdecimal() else step for step in path.split(".")] if path else []


def _examine(value: Any, *, flat: Mapping[str, Any] | None) -> None:
    """Refuse placeholders that nothing fills, and nested fields where there is no nesting."""
    if flat is not None and not all(isinstance(one, str) for one in flat.values()):
        raise ValueError("the fields of a form or a query are texts")
    for text in _texts(value):
        if unknown := set(_PLACEHOLDER.findall(text)) - _PLACES:
            raise ValueError(f"unknown placeholders {sorted(unknown)}")


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: values[match[1]], value)
    if isinstance(value, Mapping):
        return {name: _filled(one, values) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(one, values) for one in value]
    return value
