"""What a caller without credentials may choose from: the service, its channels and countries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django_verify import conf, fraud, senders
from django_verify.contact import countries
from django_verify.contact.countries import Country
from django_verify.db import queries
from django_verify.exceptions import ServiceUnavailable
from django_verify.logs import logger
from django_verify.messages import channels
from django_verify.models import VerifyService

#: Logged for a site that is not set up; a caller learns nothing of it.
_NONE_OPEN = (
    "Nothing can be verified by apps and pages: no service is open to clients (in the admin, 'Apps"
    " and pages' of a Verify service), or DJANGO_VERIFY['CLIENT_SERVICE'] names none that is."
)
SEVERAL_OPEN = (
    "Nothing can be verified by apps and pages: several services are open to clients. Name one in"
    " DJANGO_VERIFY['CLIENT_SERVICE'] by its SID."
)


class ClientsNotServed(ServiceUnavailable):
    """No service, or more than one, is open to callers without credentials."""

    message = "No verifications can be started here"


@dataclass(frozen=True, slots=True)
class Option:
    """A country of a picker, and the channels that reach its numbers."""

    country: Country
    channels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client may choose from before it starts."""

    channels: Sequence[str]
    countries: Sequence[Option]


def offered() -> VerifyService:
    """Return the service that clients use. Raises ClientsNotServed where the site has none."""
    found = queries.client_services(conf.current().CLIENT_SERVICE)
    if len(found) != 1:
        logger.warning(SEVERAL_OPEN if found else _NONE_OPEN)
        raise ClientsNotServed
    return found[0]


def are_several_open() -> bool:
    """Whether more services than one are open to clients and none is named: no client gets any."""
    sid = conf.current().CLIENT_SERVICE
    return not sid and len(queries.client_services(sid)) > 1


def channels_on_offer(service: VerifyService, to: str = "") -> list[str]:
    """Return the channels that a client may name, the preferred one first; for one recipient.

    One that no sender of the site serves would only fail.
    """
    wanted = service.client_channels or list(channels.CHANNELS)
    fitting = [
        name
        for name in wanted
        if name in service.channels
        and channels.CHANNELS[name].compose is not None
        and senders.serves(name)
        and (not to or ("@" in to) == (name == "email"))
    ]
    return fraud.allowed(service, to, fitting) if to else fitting


def offer(service: VerifyService, language: str = "") -> Offer:
    """Return the channels and the countries that a client may choose from, named in a language."""
    names = channels_on_offer(service)
    reached = regions_on_offer(service, names)
    listed = countries.choices(language or conf.site_language())
    return Offer(
        names, [Option(each, reached[each.region]) for each in listed if each.region in reached]
    )


def regions_on_offer(service: VerifyService, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the regions that a service sends to, each with those of the channels it gets."""
    return fraud.countries(service, [name for name in names if name != "email"])
