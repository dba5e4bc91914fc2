"""All that is peculiar to this wire: parameters by their names, pages, the error shape.

Nothing here knows a resource.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.settings import api_settings

from django_verify import exceptions
from django_verify.exceptions import InvalidParameter, MalformedRequest, VerifyError
from django_verify.net import times
from django_verify.rest import bodies
from django_verify.rest.bodies import MAX_PARAMETERS, Values

MORE_INFO = "https://www.twilio.com/docs/errors/{}"
REQUIRED = "this parameter is required"

_INTEGER = re.compile(r"-?[0-9]{1,9}\Z")


def timestamp(moment: dt.datetime) -> str:
    """Return a moment as the SDKs parse it: UTC, whole seconds, `Z`."""
    return times.timestamp(moment)


def wire_name(name: str) -> str:
    """Return the wire's spelling of a Python name: `custom_code` → `CustomCode`."""
    return "".join(part.capitalize() for part in name.split("_"))


def python_name(name: str) -> str:
    """Return the Python name of a parameter: `Push_IncludeDate` → `push_include_date`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


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
            value = bodies.json_object(data)
        except MalformedRequest:
            self.fail("invalid")
        bodies.clean({self.field_name or "": bodies.texts_in(value)})
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
        if (found := self._plain(values)) is not None:
            return found
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

    def _plain(self, values: Values) -> dict[str, Any] | None:
        """Return parameters that are sent once each, most of them texts of the right length.

        None: something is faulty, and the serializer says what.
        """
        found: dict[str, Any] = {}
        texts, required = self._texts
        for name, sent in values.items():
            if name in texts:
                source, longest = texts[name]
                if len(sent) != 1 or len(sent[0]) > longest:
                    return None
                found[source] = sent[0]
            elif name in self.fields:
                field = self.fields[name]
                if len(sent) != 1 or isinstance(field, Many):
                    return None
                try:
                    found[str(field.source)] = field.run_validation(sent[0])
                except Exception:  # noqa: BLE001 - the first fault in the fields' order counts
                    return None
        return found if required <= found.keys() else None

    @cached_property
    def _texts(self) -> tuple[dict[str, tuple[str, int]], set[str]]:
        """The source and the length of each parameter that is a text, and what must be there."""
        texts = {
            name: (str(field.source), int(field.max_length or 0))
            for name, field in self.fields.items()
            if type(field) is Text and field.allow_blank
        }
        required = {str(field.source) for field in self.fields.values() if field.required}
        return texts, required


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
    """A JSON string; a number is refused."""

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


class SidOf(serializers.RegexField):
    """A SID in an answer; one that is `optional` may be an empty text."""

    def __init__(self, prefix: str, *, optional: bool = False, **kwargs: Any) -> None:
        pattern = rf"({prefix}[0-9a-f]{{32}})?" if optional else rf"{prefix}[0-9a-f]{{32}}"
        super().__init__(f"^{pattern}$", **kwargs)
        if optional:
            self.convert = lambda sid: sid or ""


class CallersSid(SidOf):
    """The SID of the caller's account, which is that of whatever it is shown."""

    def __init__(self) -> None:
        super().__init__("AC")

    def compute(self, row: Any, view: Any) -> str:
        """Return the SID."""
        sid: str = view.account.sid
        return sid


class Link(serializers.URLField):
    """An object's own URL: the resource's path and key, or else `path`, of the other members."""

    def __init__(self, path: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path = path

    def refer(self, answer: dict[str, Any], view: Any) -> str:
        """Return the URL."""
        url: str = view.link(self.path % answer if self.path else view.path_of(answer))
        return url


class RequestUrl(Link):
    """The URL of the request, for an object that has none of its own."""

    def refer(self, answer: dict[str, Any], view: Any) -> str:
        """Return the URL."""
        url: str = view.link(view.own_path())
        return url


class Links(serializers.Field[Any, Any, Any, Any]):
    """URLs below an object's own, each by its name; null where `when` is false for the object."""

    def __init__(
        self, *, when: Callable[[dict[str, Any]], bool] | None = None, **tails: str
    ) -> None:
        super().__init__(allow_null=when is not None)
        self.when, self.tails = when, tails

    def refer(self, answer: dict[str, Any], view: Any) -> dict[str, str] | None:
        """Return the URLs."""
        if self.when and not self.when(answer):
            return None
        return {name: f"{answer['url']}/{tail}" for name, tail in self.tails.items()}


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
        headers=error.headers,
    )
    # The contract names the limit in a header, because the error object has no member for it.
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
