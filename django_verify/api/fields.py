"""Parameter fields of the API: times, choices, SIDs, countries; the plain ones are in `wire`."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from rest_framework import serializers

from django_verify import conf, sids
from django_verify.api import wire
from django_verify.net import times

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})\Z"
)
_REGION = re.compile(r"[A-Za-z]{2}\Z")


class Moment(serializers.Field[dt.datetime, str, str, Any]):
    """A time in ISO 8601 with its zone: `2026-03-01T12:00:00Z`."""

    default_error_messages = {"invalid": "a time such as 2026-03-01T12:00:00Z is required"}

    def to_internal_value(self, data: str) -> dt.datetime:
        """Return the moment in UTC."""
        if not _MOMENT.match(data):
            self.fail("invalid")
        try:
            return conf.stored(dt.datetime.fromisoformat(data).astimezone(dt.UTC))
        except (ValueError, OverflowError):
            self.fail("invalid")

    def to_representation(self, value: dt.datetime) -> str:
        """Return the text."""
        return times.timestamp(value)


class Formed(wire.Text):
    """A string of a certain form, which an empty one has not."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=False, **kwargs)


class OneOf(Formed):
    """One of a few words; `any_case` also takes them in capitals."""

    default_error_messages = {"word": "it must be one of {words}"}

    def __init__(self, *words: str, any_case: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words, self.any_case = words, any_case

    def to_internal_value(self, data: str) -> str:
        """Return the word as the contract spells it."""
        word = data.lower() if self.any_case else data
        if word not in self.words:
            self.fail("word", words=", ".join(self.words))
        return word


class Sid(Formed):
    """A SID of one kind, in either case; `prefix` is its two letters."""

    default_error_messages = {"sid": "it must be a SID: {prefix} and 32 hexadecimal digits"}

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix

    def to_internal_value(self, data: Any) -> str:
        """Return the SID as it is stored; within a JSON body it may be anything."""
        if not (isinstance(data, str) and sids.is_sid(self.prefix, data)):
            self.fail("sid", prefix=self.prefix)
        return sids.canonical(data)


class TextMap(wire.JSONObject):
    """A JSON object of texts, written as one text of at most 1024 characters."""

    default_error_messages = {"texts": "a JSON object of strings is required", "long": "too long"}

    def to_internal_value(self, data: str) -> dict[str, Any]:
        """Return the object."""
        if len(data) > 1024:
            self.fail("long")
        value = super().to_internal_value(data)
        if not all(isinstance(text, str) for text in value.values()):
            self.fail("texts")
        return value


class Region(Formed):
    """A country as two letters of ISO 3166, in either case."""

    default_error_messages = {"region": "two letters of ISO 3166 are required"}

    def to_internal_value(self, data: str) -> str:
        """Return the country in capitals."""
        if not _REGION.match(data):
            self.fail("region")
        return data.upper()
