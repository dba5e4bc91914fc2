"""The vendor's object identifiers: two letters and 128 random bits as 32 hexadecimal digits."""

from __future__ import annotations

import re
import secrets
from functools import partial

LENGTH = 34

_HEX = re.compile(r"[0-9a-fA-F]{32}\Z")


def new(prefix: str) -> str:
    """Mint a SID with this two-letter prefix."""
    return prefix + secrets.token_hex(16)


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
verification = partial(new, "VE")
attempt = partial(new, "VL")
# Ours: the vendor has neither callers without credentials nor test numbers.
client = partial(new, "CV")
test_number = partial(new, "TN")
safe_list_number = partial(new, "GN")
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
webhook_delivery = partial(new, "EV")
