"""Whose number it is, and of what kind: the carrier look-up behind a service's lookup option."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from django.utils.module_loading import import_string

from django_verify import conf
from django_verify.contact import phones
from django_verify.exceptions import Noted

logger = logging.getLogger("django_verify")


@dataclass(frozen=True, slots=True)
class Carrier:
    """The contract's carrier object; what is not known is None.

    `type` is mobile, landline or voip.
    """

    mobile_country_code: str | None = None
    mobile_network_code: str | None = None
    name: str | None = None
    type: str | None = None
    error_code: int | None = None

    def as_lookup(self) -> dict[str, Any]:
        """Return the `lookup` object of an answer."""
        return {"carrier": asdict(self)}


def offline(number: str) -> Carrier:
    """Answer from libphonenumber's data: the type, and with the extra `carrier` the name.

    The data tell whom a block of numbers was given to; a ported number keeps its first carrier.
    """
    return Carrier(name=phones.carrier_name(number), type=phones.line_type(number))


def look_up(number: str) -> Carrier:
    """Ask the configured provider; a failure is an answer with an error code."""
    try:
        found = _provider(conf.current().CARRIER_LOOKUP)(number)
        if not isinstance(found, Carrier):
            raise TypeError("the look-up returned no Carrier")  # noqa: TRY301 - told like the rest
    except Exception as error:  # noqa: BLE001 - enrichment must not stop a verification
        # Its text may hold the number, so only the type is told.
        logger.warning("the carrier look-up failed: %s", type(error).__name__)
        return Carrier(error_code=Noted.LOOKUP_FAILED)
    return found


@lru_cache(maxsize=8)
def _provider(path: str) -> Any:
    return import_string(path)
