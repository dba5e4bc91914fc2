"""What the integrations share: their service, and the sending and approval of others' codes."""

from __future__ import annotations

from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import get_language
from django.views.decorators.debug import sensitive_variables

from django_verify import conf, verifications
from django_verify.db import queries
from django_verify.exceptions import InvalidParameter, NotFound
from django_verify.messages import channels, locales
from django_verify.models import Verification, VerifyService


def service() -> VerifyService:
    """Return the service of INTEGRATIONS_SERVICE, or the site's only one.

    Raises ImproperlyConfigured where there is none, or where several leave a choice.
    """
    sid = conf.current().INTEGRATIONS_SERVICE
    rows = VerifyService.objects.using(queries.database()).order_by()
    found = list((rows.filter(sid=sid) if sid else rows)[:2])
    if len(found) != 1:
        named = f"no service has the SID {sid}" if sid else "name the SID of a service"
        raise ImproperlyConfigured(f"DJANGO_VERIFY['INTEGRATIONS_SERVICE']: {named}.")
    return found[0]


def locale(channel: str) -> str:
    """Return the language of the moment, where the channel speaks it; else nothing."""
    known = channels.CHANNELS[channel].locales if channel in channels.CHANNELS else ()
    return locales.match(known, get_language() or "") or ""


@sensitive_variables()
def send(to: str, code: str, channel: str = "sms", *, network: str = "") -> Verification:
    """Send a code that another package has made and will compare, as `verifications.start` does.

    Raises the family of `exceptions`; FeatureDisabled where the service takes no custom codes.
    """
    return verifications.start(
        service(), to, channel, custom_code=code, locale=locale(channel), network=network
    )


def approve(to: str) -> None:
    """Record that the other package found the code right; nothing where nothing is pending.

    Without it the message would count as one that nobody answered, and its guesses as open.
    """
    with suppress(NotFound, InvalidParameter):
        verifications.approve(service(), to)
