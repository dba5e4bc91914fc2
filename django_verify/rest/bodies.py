"""Parsers of request bodies, bounded and strict, and the renderer of JSON.

Nothing here knows a resource, or the spelling of its parameters.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest, QueryDict
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from django_verify import conf, exceptions
from django_verify.exceptions import InvalidParameter, MalformedRequest

MAX_PARAMETERS = 200

# Name of a parameter to every value it was sent with.
Values = dict[str, list[str]]


class Negotiation(BaseContentNegotiation):
    """JSON whatever `Accept` says: the device SDKs ask for a form on GET."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        """Choose by content type, as REST framework does."""
        for parser in parsers:
            if (request.content_type or "").partition(";")[0].strip().lower() == parser.media_type:
                return parser
        return None

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        """Choose the only one."""
        return renderers[0], renderers[0].media_type


class Renderer(BaseRenderer):
    """Compact JSON in UTF-8."""

    media_type = "application/json"
    format = "json"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None
    ) -> bytes:
        """Return the body; none for an answer without data (204)."""
        if data is None:
            return b""
        return _ENCODER.encode(data).encode()


# `json.dumps` would make one for each answer.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class _BodyParser(BaseParser):
    """Reads at most MAX_BODY bytes, whatever Content-Length says."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        limit = conf.current().MAX_BODY
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise exceptions.BodyTooLarge
        charset = _charset(media_type)
        if charset not in {"utf-8", "utf8", "us-ascii"}:
            raise exceptions.UnsupportedBody("The character set of the body must be UTF-8")
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedRequest("The body is not UTF-8") from None
        return self.values(text)

    def values(self, text: str) -> Any:
        raise NotImplementedError


class FormParser(_BodyParser):
    """`application/x-www-form-urlencoded` to a plain dict.

    A QueryDict would make REST framework set every boolean that is not named to False.
    """

    media_type = "application/x-www-form-urlencoded"

    def values(self, text: str) -> Values:
        """Return every value of every name."""
        return clean(form_values(text))


class JSONParser(_BodyParser):
    """A JSON object of the same parameters; null is absence, a list is a repeated name."""

    media_type = "application/json"

    def values(self, text: str) -> Values:
        """Return the members as the texts a form would carry."""
        return clean(
            {
                name: [_as_text(v) for v in value] if isinstance(value, list) else [_as_text(value)]
                for name, value in json_object(text).items()
                if value is not None
            }
        )


class NestedParser(_BodyParser):
    """A JSON object as it is, for the operations whose parameters are nested; null is absence."""

    media_type = "application/json"

    def values(self, text: str) -> dict[str, Any]:
        """Return the members that are not null."""
        body = json_object(text)
        clean({"body": texts_in(body)})
        return _without_nulls(body)


class MembersParser(NestedParser):
    """A JSON object whose fields check their own text: an unknown member ends no request."""

    def values(self, text: str) -> dict[str, Any]:
        """Return the members that are not null."""
        return _without_nulls(json_object(text))


def json_object(text: str) -> dict[str, Any]:
    """Return the members of a JSON object, each named once; an empty text is an empty one."""
    try:
        # Brackets that MAX_BODY lets pass are enough to exceed Python's recursion limit.
        data = json.loads(text or "{}", parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise MalformedRequest("The body is not valid JSON") from None
    if not isinstance(data, dict):
        raise MalformedRequest("The JSON body must be an object")
    if len(data) > MAX_PARAMETERS:
        raise MalformedRequest("Too many parameters")
    return data


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """Take null members out, however deep, without a call for each level."""
    left = [body]
    while left:
        members = left.pop()
        for name in [name for name, value in members.items() if value is None]:
            del members[name]
        left += [value for value in members.values() if isinstance(value, dict)]
    return body


def form_values(text: str) -> Values:
    """Parse a URL-encoded text, with bounds and in strict UTF-8."""
    try:
        # Counted before it is split: a body of nothing but & would become a quarter of a million
        # names.
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except ValueError:
        raise MalformedRequest("The parameters are too many or not UTF-8") from None
    values: Values = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def clean(values: Values) -> Values:
    """Refuse what no parameter may hold and no database stores: NUL and lone surrogates."""
    for name, texts in values.items():
        for text in (name, *texts):
            if not is_text(text):
                shown = name.encode("ascii", "replace").decode().replace("\0", "?")
                raise InvalidParameter(shown[:64], "it holds characters that are not text")
    return values


def texts_in(value: Any) -> list[str]:
    """Return every text within a JSON value, names included, however deep it is."""
    texts, left = [], [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += [*item, *item.values()]
        elif isinstance(item, list):
            left += item
        elif isinstance(item, str):
            texts.append(item)
    return texts


def is_text(text: str) -> bool:
    """Whether a string has neither NUL nor lone surrogates, so that a database stores it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _charset(content_type: str | None) -> str:
    for part in (content_type or "").split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip('"').lower()
    return "utf-8"


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is repeated")
    return members


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return _ENCODER.encode(value)


def query_values(request: HttpRequest) -> Values:
    """Return the query string's parameters, under the rules of a form."""
    text = request.META.get("QUERY_STRING", "")
    return clean(form_values(text)) if text else {}


def read(request: HttpRequest, parsers: Sequence[type[BaseParser]]) -> Values:
    """Return the parameters of a body that nobody has read yet, as REST framework does."""
    meta = request.META
    try:
        length = int(meta.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if not length:
        return {}
    content_type = meta.get("CONTENT_TYPE", "")
    kind = content_type.partition(";")[0].strip().lower()
    for parser in parsers:
        if parser.media_type == kind:
            return dict(parser().parse(request, content_type))  # type: ignore[arg-type]
    raise UnsupportedMediaType(content_type)


def body_values(data: Any) -> Values:
    """Return the body's parameters, also where the host's middleware has read the form already."""
    return clean(dict(data.lists())) if isinstance(data, QueryDict) else dict(data)
