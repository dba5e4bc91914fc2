"""The carrier look-up: a number's carrier and line type, for services with lookup on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django_verify.conf.backends import Backends
from django_verify.contact import phones
from django_verify.exceptions import Noted
from django_verify.logs import logger


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


class CarrierLookup:
    """One source of carriers; its options are the keyword parameters of its `__init__`."""

    def carrier(self, number: str) -> Carrier:
        """Return the carrier of a number in E.164; may raise whatever it likes."""
        raise NotImplementedError


class OfflineLookup(CarrierLookup):
    """Answers from libphonenumber's data: the type, and with the extra `carrier` the name.

    The data name the carrier that a block of numbers was assigned to, also for ported numbers.
    """

    def carrier(self, number: str) -> Carrier:
        """Ask nobody."""
        return Carrier(name=phones.carrier_name(number), type=phones.line_type(number))


_backends = Backends("CARRIER_LOOKUP", CarrierLookup)


def configured() -> CarrierLookup:
    """Return the look-up of DJANGO_VERIFY["CARRIER_LOOKUP"], or the one that works offline.

    Raises ImproperlyConfigured.
    """
    return _backends.single or OfflineLookup()


def look_up(number: str) -> Carrier:
    """Ask the configured provider; a failure is an answer with an error code."""
    try:
        found = configured().carrier(number)
        if not isinstance(found, Carrier):
            raise TypeError("the look-up returned no Carrier")  # noqa: TRY301 - reported like the others
    except Exception as error:  # noqa: BLE001 - enrichment must not stop a verification
        # Its text may hold the number, so only the type is logged.
        logger.warning("the carrier look-up failed: %s", type(error).__name__)
        return Carrier(error_code=Noted.LOOKUP_FAILED)
    return found
