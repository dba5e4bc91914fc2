"""Sends through any gateway with an HTTP API that its options can describe."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from django_verify.net import client
from django_verify.senders import rest, signatures
from django_verify.senders.base import (
    UNSUITED,
    Callback,
    Message,
    Receipt,
    Report,
    SendError,
    TemporarySendError,
)
from django_verify.senders.causes import Cause

Steps = list[str | int]

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_WHOLE_NUMBER = "{to_int}"
_PLACES = frozenset(
    {
        *("to", "to_digits", "to_int", "body", "code", "attempt_sid", "locale", "channel"),
        *("subject", "callback_url", "prompt", "send_digits", "template_id"),
    }
)
_OWN = _PLACES - {"to_digits", "to_int", "callback_url", "template_id"}
_SHORTEST_TOKEN = 16
#: The locale in `template_ids` that stands for all others.
_ELSE = "*"
# The name of a refusal that has no code of its own.
_REFUSED = "refused"
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class _Reports:
    """How the gateway reports, how it proves that it does, and where it has what.

    It signs the body (`secret` and `header`), or calls the sender's one URL with `token` in its
    query, or, without either, the secret URL of the message.
    """

    status_path: str
    statuses: Mapping[Any, str]
    id_path: str = ""
    code_path: str = ""
    list_path: str = ""
    separator: str = ""
    secret: str = field(default="", repr=False)
    header: str = ""
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    token: str = field(default="", repr=False)
    answer: str = ""
    max_length: int | None = None

    def __post_init__(self) -> None:
        if bool(self.secret) != bool(self.header):
            raise ValueError("callback needs both a secret and a header, or neither")
        if self.secret and self.token:
            raise ValueError("callback has either a secret or a token")
        if self.token and len(self.token) < _SHORTEST_TOKEN:
            raise ValueError(f"callback's token has at least {_SHORTEST_TOKEN} characters")
        if not (self.id_path or self.by_url):
            raise ValueError("callback needs an id_path where many messages have one URL")
        if self.algorithm not in {"sha1", "sha256", "sha384", "sha512"}:
            raise ValueError(f"callback knows no algorithm {self.algorithm!r}")
        if self.encoding not in {"hex", "base64"}:
            raise ValueError("callback's encoding is hex or base64")
        known = {"sent", "delivered", "read", "undelivered", "failed"}
        if wrong := set(self.statuses.values()) - known:
            raise ValueError(f"callback maps to unknown statuses {sorted(wrong)}")

    @property
    def by_url(self) -> bool:
        """Whether it is the secret of a message's own URL that proves a report."""
        return not (self.secret or self.token)


class HttpSender(rest.RestSender):
    """One request to `url` with `fields`, their `{placeholders}` filled; a GET has them as query.

    `id_path`, `price_path`, `currency_path` and `error_path` (one, or several) are paths into the
    JSON of the answer, such as "messages.0.id"; with `pattern`, a regular expression of a plain
    text, into its named groups. `success` is a path and what acceptance has there: a value or
    several, a boolean and a number included; several such pairs must all hold. The path "" is the
    whole answer, and a value that ends in `*` a beginning. Without it a refusal is an answer with
    an `error_path`. `template_ids` maps locales to `{template_id}`. `callback` describes reports.
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
        template_ids: Mapping[str, str] | None = None,
        pattern: str = "",
        id_path: str = "",
        price_path: str = "",
        currency_path: str = "",
        error_path: str | Collection[str] = "",
        success: Any = None,
        permanent_codes: Collection[Any] = (),
        temporary_codes: Collection[Any] = (),
        account_codes: Collection[Any] = (),
        causes: Mapping[Any, str] | None = None,
        callback: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(alias)
        _refuse(url, method, encoding, auth, channels)
        flat = method == "GET" or encoding == "form"
        self.places = _examined([url, fields], flat=fields if flat else None)
        self.url, self.fields, self.method, self.encoding = url, fields, method, encoding
        self.headers, self.auth = dict(headers or {}), None if auth is None else (auth[0], auth[1])
        self.channels, self.template_ids = frozenset(channels), dict(template_ids or {})
        self.pattern = _compiled(pattern) if pattern else None
        self.paths = [_steps(path) for path in (id_path, price_path, currency_path)]
        several = [error_path] if isinstance(error_path, str) else error_path
        self.error_paths = [_steps(path) for path in several if path]
        self.success = [] if success is None else _conditions(success)
        self.permanent, self.temporary = _texts_of(permanent_codes), _texts_of(temporary_codes)
        self.account = _texts_of(account_codes)
        self.causes = self.report_causes = self._causes(causes or {})
        self.gives_ids = bool(id_path)
        self._describe(callback)

    def _causes(self, named: Mapping[Any, str]) -> dict[str, Cause]:
        """Return code → cause: as the option names it, or else as its list says. Raises ValueError.

        What a list says of a code is vague: an account may lack money, or have a wrong key.
        """
        listed = {
            **dict.fromkeys(self.permanent, Cause.INVALID_NUMBER),
            **dict.fromkeys(self.temporary, Cause.PROVIDER_DOWN),
            **dict.fromkeys(self.account, Cause.ACCOUNT),
        }
        try:
            return listed | {_text(code): Cause(word) for code, word in named.items()}
        except ValueError:
            words = ", ".join(cause.value for cause in Cause)
            raise ValueError(f"causes maps codes to one of: {words}") from None

    def _describe(self, callback: Mapping[str, Any] | None) -> None:
        self.described = how = None if callback is None else _Reports(**callback)
        self.reporting = how is not None
        if how is None:
            return
        if how.by_url and "callback_url" not in self.places:
            raise ValueError("callback needs a secret, a token, or {callback_url} in url or fields")
        self.reports_to_console = "callback_url" not in self.places
        self.callback_token = how.token
        self.callback_max_length, self.report_answer = how.max_length, how.answer
        self.statuses = {_text(word).lower(): ours for word, ours in how.statuses.items()}

    def request(self, message: Message) -> rest.Request:
        """Fill the fields in one pass, so that what a text holds is never filled again."""
        digits = message.to.removeprefix("+")
        values = {name: getattr(message, name) for name in _OWN} | {
            "to_digits": digits,
            "to_int": digits,
            "callback_url": self.callback_of(message),
            "template_id": self._template_id(message),
        }
        url = _filled(self.url, {name: quote(value, safe="") for name, value in values.items()})
        flat = self.method == "GET" or self.encoding == "form"
        content = _filled(self.fields, values, numbers=not flat)
        more: dict[str, Any] = {"method": self.method, "headers": self.headers, "auth": self.auth}
        if self.method == "GET":
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(content)}"
        else:
            more[self.encoding] = content
        return rest.Request(url, **more)

    def decode(self, answer: client.Answer) -> object:
        """Return the groups of a plain text, or JSON; what is no JSON is a plain text."""
        text = answer.body.decode(errors="replace").strip()
        if self.pattern is not None:
            found = self.pattern.search(text)
            return found.groupdict(default="") if found else {}
        decoded = super().decode(answer)
        return text if decoded is None and text != "null" else decoded

    def receipt(self, data: object) -> Receipt:
        """Read the id and the price by their paths."""
        sid, amount, currency = (_read(data, path) if path else "" for path in self.paths)
        return Receipt(sid, *rest.money(amount, currency.upper()))

    def error(self, data: object) -> str:
        """Read the code of a refusal; without one, the name of what happened."""
        codes = (_read(data, path) for path in self.error_paths)
        code = next(filter(None, codes), "")
        if not self.success:
            return code
        fine = all(condition.holds(data) for condition in self.success)
        return "" if fine else self.shown(code) or _REFUSED

    def _refusal(self, answer: client.Answer, data: object, code: str) -> SendError:
        """Return the error; a status of failure tells more than the name of a missing code."""
        if code == _REFUSED and answer.status not in _SUCCESS:
            code = ""
        return super()._refusal(answer, data, code)

    def is_signed(self, callback: Callback) -> bool:
        """Look at the HMAC of the body, the token in the query, or the secret of the URL.

        Without a body the HMAC is of the query.
        """
        how = self.described
        if how is None:
            return False
        if how.token:
            return signatures.has_token(callback.url, how.token)
        if how.by_url:
            return bool(callback.attempt_sid)
        content = _reported(callback)
        digest = signatures.digest(how.secret, content, method=how.algorithm)
        text = digest.hex() if how.encoding == "hex" else signatures.encoded(digest)
        given_text = callback.headers.get(how.header.lower(), "")
        return bool(content) and signatures.same(given_text, how.prefix + text)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read every report of a callback: a query, a form, JSON, or lists in them."""
        how = self.described
        if how is None:
            return
        paths = [_steps(path) for path in (how.id_path, how.status_path, how.code_path)]
        for item in _items(_content(callback), _steps(how.list_path)):
            texts = [_read(item, path) if path else "" for path in paths]
            for sid, word, code in _split(texts, how.separator):
                known = self.status_of(word, word.lower())
                if known and (sid or callback.attempt_sid):
                    yield Report(sid, known, rest.code_of(code))

    def _template_id(self, message: Message) -> str:
        if "template_id" not in self.places:
            return ""
        locale = message.locale
        known = self.template_ids
        for name in (locale, locale.partition("-")[0], _ELSE):
            if name in known:
                return known[name]
        if message.template_id and not known:
            return message.template_id
        raise TemporarySendError("there is no template in this language", fault=UNSUITED)


def _refuse(url: str, method: str, encoding: str, auth: Any, channels: Any) -> None:
    """Raise ValueError for options that make no request."""
    if method not in {"POST", "PUT", "GET"}:
        raise ValueError("method is POST, PUT or GET")
    if encoding not in {"json", "form"}:
        raise ValueError("encoding is json or form")
    if not url.startswith(("https://", "http://")):
        raise ValueError("url begins with https:// or http://")
    if auth is not None and (isinstance(auth, str) or len(auth) != 2):
        raise ValueError("auth is a name and a password")
    if isinstance(channels, str) or not channels:
        raise ValueError("channels is a list")


@dataclass(frozen=True, slots=True)
class _Condition:
    """What a value of the answer must be."""

    path: Steps
    texts: frozenset[str]
    beginnings: tuple[str, ...]

    def holds(self, data: object) -> bool:
        """Whether the value is one of those, or begins as one.

        A plain text has nothing at a path, not even no error, and an object is no value.
        """
        if self.path and isinstance(data, str):
            return False
        value = _at(data, self.path)
        text = _text(value)
        return not (value and not text) and (text in self.texts or text.startswith(self.beginnings))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error:
        raise ValueError("pattern is not a regular expression") from None


def _conditions(success: Any) -> list[_Condition]:
    """Return a pair of path and values, or several of them. Raises ValueError."""
    pairs = [success] if success and isinstance(success[0], str) else list(success)
    if not pairs or not all(not isinstance(one, str) and len(one) == 2 for one in pairs):
        raise ValueError("success is a path and a value, or several such pairs")
    found = []
    for path, values in pairs:
        several = values if isinstance(values, list | tuple | set | frozenset) else [values]
        texts = [_text(value) for value in several]
        begins = tuple(text[:-1] for text in texts if len(text) > 1 and text.endswith("*"))
        found.append(_Condition(_steps(path), frozenset(texts), begins))
    return found


def _steps(path: str) -> Steps:
    return [int(step) if step.isdecimal() else step for step in path.split(".")] if path else []


def _text(value: object) -> str:
    """Return a value of JSON, or of the options, in the one spelling in which both compare."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int | float) else ""


def _texts_of(values: Collection[Any]) -> frozenset[str]:
    return frozenset(map(_text, values))


def _read(data: object, path: Steps) -> str:
    """Return the value at a path; empty where there is none, or null, or more than a value."""
    return _text(_at(data, path))


def _at(data: object, path: Steps) -> object:
    """Return what is at a path through decoded JSON; None where there is nothing."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step, data.get(str(step)))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _content(callback: Callback) -> object:
    """Return the members of a report, wherever it has them. Raises ValueError."""
    text = _reported(callback).decode().strip()
    if text.startswith(("{", "[")):
        return rest.parsed(text.encode())
    return dict(parse_qsl(text, keep_blank_values=True))


def _reported(callback: Callback) -> bytes:
    """Return the body, or the query of a report without one: what is signed is what is read."""
    return callback.body if callback.body.strip() else urlsplit(callback.url).query.encode()


def _items(data: object, path: Steps) -> Iterator[dict[str, object]]:
    """Return the objects at a path, through every list, with the members of those around them.

    A text on the way may be JSON: the form of a gateway has one member with all of it.
    """
    if isinstance(data, list):
        for one in data:
            yield from _items(one, path)
    elif isinstance(data, str) and data[:1] in {"{", "["}:
        yield from _items(rest.parsed(data.encode()), path)
    elif isinstance(data, dict):
        if not path:
            yield data
            return
        around = {name: value for name, value in data.items() if name != path[0]}
        for item in _items(data.get(path[0]), path[1:]):
            yield {**around, **item}


def _split(texts: list[str], separator: str) -> Iterator[tuple[str, str, str]]:
    """Return id, status and code of each report, where one value holds those of several."""
    if not separator:
        yield texts[0], texts[1], texts[2]
        return
    sids, words, codes = (text.split(separator) for text in texts)
    for index, word in enumerate(words):
        sid = sids[index] if index < len(sids) else ""
        yield sid, word, codes[index] if index < len(codes) else ""


def _examined(value: Any, *, flat: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the placeholders; refuse those that nothing fills, and nested fields of a form."""
    if flat is not None and not all(isinstance(one, str) for one in flat.values()):
        raise ValueError("the fields of a form or a query are texts")
    found = {name for text in _texts(value) for name in _PLACEHOLDER.findall(text)}
    if unknown := found - _PLACES:
        raise ValueError(f"unknown placeholders {sorted(unknown)}")
    return frozenset(found)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _filled(value: Any, values: Mapping[str, str], *, numbers: bool = False) -> Any:
    if numbers and value == _WHOLE_NUMBER:
        return int(values["to_int"])
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: values[match[1]], value)
    if isinstance(value, Mapping):
        return {name: _filled(one, values, numbers=numbers) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(one, values, numbers=numbers) for one in value]
    return value
