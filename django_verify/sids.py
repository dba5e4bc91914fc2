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


# Django's migrations need module-level names as field defaults.
account = partial(new, "AC")
api_key = partial(new, "SK")
service = partial(new, "VA")
rate_limit = partial(new, "RK")
bucket = partial(new, "BL")
verification = partial(new, "VE")
attempt = partial(new, "VL")
safe_list_number = partial(new, "GN")
webhook = partial(new, "YW")
entity = partial(new, "YE")
factor = partial(new, "YF")
challenge = partial(new, "YC")
event_sink = partial(new, "DG")
template = partial(new, "HJ")
messaging_service = partial(new, "MG")
# Never shown: lists need a key of this shape, and the contract gives this resource none.
messaging_configuration = partial(new, "MC")
webhook_delivery = partial(new, "EV")
