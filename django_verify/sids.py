"""The vendor's object identifiers: two letters and 128 bits as 32 hexadecimal digits.

The bits are random. Where rows are many they begin with the time, in the layout of UUIDv7, so
that a key is an age: such SIDs name what is no secret, and nothing is let in for knowing one.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from functools import partial

from django.utils import timezone

LENGTH = 34

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_HOUR = 3_600_000
_HEX = re.compile(r"[0-9a-fA-F]{32}\Z")


def new(prefix: str) -> str:
    """Mint a SID with this two-letter prefix."""
    return prefix + secrets.token_hex(16)


def new_timed(prefix: str, moment: dt.datetime | None = None) -> str:
    """Mint a SID that sorts by its time, by default now, to the microsecond.

    48 bits are milliseconds, 12 the part of one that has passed since, and 62 are random. The other
    six are the version and the variant of a UUIDv7.
    """
    if moment is None:
        moment = timezone.now()
    part = moment.microsecond % 1000 * 4096 // 1000
    random = 2 << 62 | secrets.randbits(62)
    return f"{prefix}{_milliseconds(moment):012x}7{part:03x}{random:016x}"


def moment_of(sid: str) -> dt.datetime:
    """Return when a SID with a time was minted, in whole milliseconds."""
    return _EPOCH + dt.timedelta(milliseconds=int(sid[2:14], 16))


def seconds_of(sid: str) -> float:
    """Return the same in seconds since 1970."""
    return int(sid[2:14], 16) / 1000


def hour_of(sid: str) -> int:
    """Return the same in whole hours."""
    return int(sid[2:14], 16) // _HOUR


def first_of_hour(prefix: str, hour: int) -> str:
    """Return what no SID sorts before that was minted in this hour since 1970 or later."""
    return f"{prefix}{min(hour * _HOUR, (1 << 48) - 1):012x}{0:020x}"


def is_timed(sid: str) -> bool:
    """Whether a SID has the layout of one with a time: the version and the variant of a UUIDv7."""
    return sid[14] == "7" and sid[18] in "89ab"


def first_at(prefix: str, moment: dt.datetime) -> str:
    """Return what no SID sorts before that was minted at a moment or later, and all others do.

    Minted is what `moment_of` says of them: whole milliseconds.
    """
    return f"{prefix}{_milliseconds(moment, up=999):012x}{0:020x}"


def _milliseconds(moment: dt.datetime, up: int = 0) -> int:
    """Return whole milliseconds since 1970, as 48 bits hold them; with `up=999` rounded up."""
    since = (moment if moment.tzinfo else moment.astimezone()) - _EPOCH
    if up:
        since += dt.timedelta(microseconds=up)
    milliseconds = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return min(max(milliseconds, 0), (1 << 48) - 1)


def is_sid(prefix: str, value: str) -> bool:
    """Whether value is a SID with this prefix; both cases of the digits are accepted."""
    return value[:2] == prefix and _HEX.match(value, 2) is not None


def canonical(value: str) -> str:
    """Return the stored spelling of a SID: prefix as it is, digits in lower case."""
    return value[:2] + value[2:].lower()


def credential_of(factor_sid: str) -> str:
    """Return the name under which a device knows its own key: the `kid` of its tokens."""
    return "CR" + factor_sid[2:]


def factor_of(credential_sid: str) -> str:
    """Return the factor whose key a device names so."""
    return "YF" + credential_sid[2:]


# Django's migrations need module-level names as field defaults.
account = partial(new, "AC")
api_key = partial(new, "SK")
service = partial(new, "VA")
rate_limit = partial(new, "RK")
bucket = partial(new, "BL")
verification = partial(new_timed, "VE")
attempt = partial(new_timed, "VL")
# Ours: the vendor has neither callers without credentials nor test numbers.
client = partial(new, "CV")
test_number = partial(new, "TN")
safe_list_number = partial(new_timed, "GN")
webhook = partial(new, "YW")
entity = partial(new, "YE")
factor = partial(new, "YF")
challenge = partial(new, "YC")
access_token = partial(new, "YK")
notification = partial(new, "NT")
push_credential = partial(new, "CR")
event_sink = partial(new, "DG")
template = partial(new, "HJ")
messaging_service = partial(new, "MG")
# Never shown: lists need a key of this shape, and the contract gives this resource none.
messaging_configuration = partial(new, "MC")
webhook_delivery = partial(new_timed, "EV")
