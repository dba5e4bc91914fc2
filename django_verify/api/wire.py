"""All that is peculiar to this wire: parameters in, always JSON out, pages, the error shape.

Nothing here knows a resource.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import traceback
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from django.core.exceptions import (
    DisallowedHost,
    ObjectDoesNotExist,
    PermissionDenied,
    SuspiciousOperation,
)
from django.db import OperationalError
from django.http import Http404, HttpRequest, QueryDict
from rest_framework import exceptions as drf
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.settings import api_settings

from django_verify import conf, exceptions, turns
from django_verify.exceptions import InvalidParameter, MalformedRequest, VerifyError

logger = logging.getLogger("django_verify")

MORE_INFO = "https://www.twilio.com/docs/errors/{}"
MAX_PARAMETERS = 200
REQUIRED = "this parameter is required"

# Name of a parameter to every value it was sent with.
Values = dict[str, list[str]]

_NUMBERS = re.compile(r"\d{4,}|\S+@\S+")
_INTEGER = re.compile(r"-?[0-9]{1,9}\Z")


def timestamp(moment: dt.datetime) -> str:
    """Return a moment as the SDKs parse it: UTC, whole seconds, `Z`."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def wire_name(name: str) -> str:
    """Return the wire's spelling of a Python name: `custom_code` → `CustomCode`."""
    return "".join(part.capitalize() for part in name.split("_"))


def python_name(name: str) -> str:
    """Return the Python name of a parameter: `Push_IncludeDate` → `push_include_date`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


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
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


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
                for name, value in _json_body(text).items()
                if value is not None
            }
        )


class NestedParser(_BodyParser):
    """A JSON object as it is, for the operations whose parameters are nested; null is absence."""

    media_type = "application/json"

    def values(self, text: str) -> dict[str, Any]:
        """Return the members that are not null."""
        body = _json_body(text)
        clean({"body": _texts(body)})
        return _without_nulls(body)


def _json_body(text: str) -> dict[str, Any]:
    try:
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
            if "\0" in text or not _is_unicode(text):
                shown = name.encode("ascii", "replace").decode().replace("\0", "?")
                raise InvalidParameter(shown[:64], "it holds characters that are not text")
    return values


def _texts(value: Any) -> list[str]:
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


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Integer(serializers.Field[int, str, int, Any]):
    """ASCII digits only; `int()` would read other scripts' digits and underscores."""

    default_error_messages = {"invalid": "a whole number is required", "range": "{low}–{high}"}

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.low, self.high = low, high

    def to_internal_value(self, data: str) -> int:
        """Return the number if it is within the bounds, which are included."""
        if not _INTEGER.match(data):
            self.fail("invalid")
        if not self.low <= (number := int(data)) <= self.high:
            self.fail("range", low=self.low, high=self.high)
        return number

    def to_representation(self, value: int) -> int:
        """Return the number."""
        return value


class Text(serializers.CharField):
    """A string as sent, with nothing trimmed; empty is how a caller clears a value."""

    def __init__(self, max_length: int = 256, **kwargs: Any) -> None:
        kwargs.setdefault("allow_blank", True)
        super().__init__(max_length=max_length, trim_whitespace=False, **kwargs)


class Boolean(serializers.BooleanField):
    """`true` or `false` in any case, and 1 or 0."""

    TRUE_VALUES = {"true", "1"}
    FALSE_VALUES = {"false", "0"}
    default_error_messages = {"invalid": "true or false is required"}

    def to_internal_value(self, data: Any) -> bool:
        """Return the truth value."""
        return super().to_internal_value(data.lower())


class JSONObject(serializers.Field[dict[str, Any], str, str, Any]):
    """A JSON object written as one text."""

    default_error_messages = {"invalid": "a JSON object is required"}

    def to_internal_value(self, data: str) -> dict[str, Any]:
        """Return the object; an empty text is an empty one."""
        try:
            value = json.loads(data or "{}", parse_constant=_refuse, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            self.fail("invalid")
        if not isinstance(value, dict):
            self.fail("invalid")
        clean({self.field_name or "": _texts(value)})
        return value

    def to_representation(self, value: dict[str, Any]) -> str:
        """Return the text."""
        return json.dumps(value)


class Many(serializers.ListField):
    """A repeated parameter; sent once, it is a list of one."""

    def __init__(self, child: serializers.Field[Any, Any, Any, Any], **kwargs: Any) -> None:
        super().__init__(child=child, max_length=MAX_PARAMETERS, **kwargs)


class Parameters(serializers.Serializer[Any]):
    """The parameters of an operation, declared in the wire's spelling, `_` where it has a dot.

    `Push_IncludeDate = Boolean()` reads `Push.IncludeDate` into `push_include_date`.
    """

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the declared fields under the names on the wire."""
        fields = super().get_fields()
        for name, field in fields.items():
            field.source = python_name(name)
        return {name.replace("_", "."): field for name, field in fields.items()}

    def read(self, values: Values) -> dict[str, Any]:
        """Return the valid parameters by Python name; unknown ones are ignored, as the vendor does.

        Raises InvalidParameter for the first that is malformed, missing, or sent twice.
        """
        data: dict[str, Any] = {}
        for name, texts in values.items():
            field = self.fields.get(name)
            if isinstance(field, Many):
                data[name] = texts
            elif field is not None:
                if len(texts) != 1:
                    raise InvalidParameter(name, "it must be sent once")
                data[name] = texts[0]
        try:
            return dict(self.run_validation(data))
        except serializers.ValidationError as error:
            raise _first(error.detail) from None


class Nested(Parameters):
    """The members of a JSON body, or of an object in it, declared as they are spelled there."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the declared fields; each has its Python name as its source."""
        fields = super(Parameters, self).get_fields()
        for name, field in fields.items():
            if python_name(name) != name:
                field.source = python_name(name)
        return fields

    def read(self, values: Any) -> dict[str, Any]:
        """Return the valid members by Python name; unknown ones are ignored.

        Raises InvalidParameter for the first that is malformed or missing, by its whole path.
        """
        try:
            return dict(self.run_validation(values))
        except serializers.ValidationError as error:
            raise _first(error.detail) from None


class String(Text):
    """A JSON string, where a number is not taken for one."""

    def to_internal_value(self, data: Any) -> str:
        """Return the string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@cache
def reader(parameters: type[Parameters], *, partial: bool = False) -> Parameters:
    """Return the one instance of a class: building the fields costs ten times their use.

    It holds nothing of a request, so threads share it.
    """
    return parameters(partial=partial)


def _first(detail: Any) -> InvalidParameter:
    """Return the first fault, under the path of its parameter."""
    path: list[str] = []
    reasons = detail
    while isinstance(reasons, (list, dict)):
        if isinstance(reasons, dict):
            name, reasons = next(iter(reasons.items()))
            path += (
                [] if name == api_settings.NON_FIELD_ERRORS_KEY or isinstance(name, int) else [name]
            )
        else:
            reasons = reasons[0]
    code = getattr(reasons, "code", "")
    return InvalidParameter(".".join(path), REQUIRED if code == "required" else str(reasons))


class Answer(serializers.Serializer[Any]):
    """The shape of an object as it is answered: for the schema and the tests alone.

    `represent` builds the object by hand, because serializers cost too much on a hot path.
    """


class SidOf(serializers.RegexField):
    """A SID in an answer; one that is `optional` may be an empty text."""

    def __init__(self, prefix: str, *, optional: bool = False, **kwargs: Any) -> None:
        pattern = rf"({prefix}[0-9a-f]{{32}})?" if optional else rf"{prefix}[0-9a-f]{{32}}"
        super().__init__(f"^{pattern}$", **kwargs)


def error_response(error: VerifyError, parameters: Parameters | None = None) -> Response:
    """Return the vendor's error object; never with keys named `type` and `title`."""
    message = error.message
    if isinstance(error, InvalidParameter):
        message = f"Invalid parameter `{_spelling(error.parameter, parameters)}`: {error.reason}"
    response = Response(
        {
            "code": error.code,
            "message": message,
            "more_info": MORE_INFO.format(error.code),
            "status": error.status,
        },
        status=error.status,
    )
    if error.retry_after is not None:
        response["Retry-After"] = str(error.retry_after)
    if isinstance(error, exceptions.TooManyRequests) and error.limit:
        response["Twilio-Reached-Rate-Limit"] = error.limit
    if isinstance(error, exceptions.AuthenticationRequired):
        response["WWW-Authenticate"] = 'Basic realm="Verify API"'
    return response


def _spelling(name: str, parameters: Parameters | None) -> str:
    for spelling, field in parameters.fields.items() if parameters else ():
        if name in {spelling, field.source}:
            return spelling
    return name if name[:1].isupper() or "." in name else wire_name(name)


def as_verify_error(error: Exception, resource: str) -> VerifyError:
    """Return any exception of a request as one of our family; what is unforeseen is logged."""
    match error:
        case exceptions.NotFound() | Http404() | ObjectDoesNotExist():
            # The last of them is a row's owner that was deleted after the row was read.
            return exceptions.NotFound(f"The requested resource {resource} was not found")
        case VerifyError():
            return error
        case OperationalError() if turns.is_deadlock(error):
            # The transaction is undone; a charge before it was committed and stands.
            return exceptions.Conflict()
        case drf.MethodNotAllowed():
            return exceptions.MethodNotSupported()
        case drf.UnsupportedMediaType():
            return exceptions.UnsupportedBody()
        case drf.ParseError():
            return MalformedRequest()
        case PermissionDenied():
            return exceptions.Forbidden()
        case DisallowedHost():
            return MalformedRequest("The Host header names a host that this site does not serve")
        case SuspiciousOperation():
            return exceptions.BodyTooLarge()
    # Frames hold codes, secrets and numbers, and error mail shows their variables: only the text
    # of the traceback is logged, without what looks like a number or an address.
    where = "".join(traceback.format_tb(error.__traceback__))
    told = _NUMBERS.sub("…", str(error))
    logger.error("The request failed: %s: %s\n%s", type(error).__name__, told, where)
    return VerifyError()


def query_values(request: HttpRequest) -> Values:
    """Return the query string's parameters, under the rules of a form."""
    return clean(form_values(request.META.get("QUERY_STRING", "")))


def body_values(data: Any) -> Values:
    """Return the body's parameters, also where the host's middleware has read the form already."""
    return clean(dict(data.lists())) if isinstance(data, QueryDict) else dict(data)
