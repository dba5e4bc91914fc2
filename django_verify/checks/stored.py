"""What the tables say: rows that need a look, and workers that do not run."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Any

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, router
from django.utils import timezone

from django_verify import conf, health, senders, sids
from django_verify.db import queries
from django_verify.delivery import dispatch
from django_verify.factors import passkeys
from django_verify.models import (
    GeoPermission,
    MessagingService,
    TestNumber,
    VerificationAttempt,
    VerifyService,
)
from django_verify.models.fields import PhoneField
from django_verify.models.testnumbers import LONGEST

#: Seconds for which a request should not wait for a provider; the latest messages that are looked
#: at; and how many of a sender's tell something.
SLOW, SAMPLE, FEWEST = 2.0, 1000, 20


def check_phone_columns(
    app_configs: Any = None, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W046: numbers that were written in the host's format, before our columns held E.164."""
    found: list[CheckMessage] = []
    for model in apps.get_models():
        using = router.db_for_write(model)
        for field in model._meta.fields:  # noqa: SLF001 - a documented API
            if isinstance(field, PhoneField) and using in (databases or ()):
                found += _not_in_e164(model, field.name, using)
    return found


def _not_in_e164(model: Any, column: str, using: str) -> Iterable[CheckMessage]:
    rows = model._default_manager.using(using)  # noqa: SLF001 - documented
    try:
        other = rows.exclude(**{f"{column}__regex": r"^[+][0-9]+$"}).exists()
    except DatabaseError:
        return  # not migrated yet
    if other:
        yield checks.Warning(
            f"{model._meta.label} has numbers that are not in E.164: they were written under"  # noqa: SLF001
            " another PHONENUMBER_DB_FORMAT, and may be read as those of other people.",
            hint="Run `manage.py rekeyrecipients`, which writes them anew.",
            id="django_verify.W046",
        )


def check_passkeys(
    app_configs: Any = None, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W021: services with a relying party, on a site without the passkeys' library."""
    if passkeys.available() or queries.database() not in (databases or ()):
        return []
    try:
        configured = VerifyService.objects.using(queries.database()).exclude(
            passkeys_relying_party_id=""
        )
        if not configured.exists():
            return []
    except DatabaseError:
        return []  # not migrated yet
    return [
        checks.Warning(
            "A service has a relying party, and the library of passkeys is not installed.",
            hint="Install django-verify[passkeys].",
            id="django_verify.W021",
        )
    ]


def check_test_numbers(
    app_configs: Any = None, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """E041, E042: pairs that end never, or far ahead while they are in force."""
    if queries.database() not in (databases or ()):
        return []
    try:
        switched_on = conf.current().TEST_NUMBERS
        pairs = TestNumber.objects.using(queries.database())
        endless = pairs.filter(expires_at=None).count()
        far = pairs.filter(expires_at__gt=timezone.now() + LONGEST, is_active=True).count()
    except ImproperlyConfigured:
        return []  # check_settings reports it
    except DatabaseError:
        return []  # not migrated yet
    found: list[CheckMessage] = []
    if endless:
        text = f"Test numbers without an expiry: {endless}."
        found.append(Error(text, hint="Set it in the admin.", id="django_verify.E041"))
    if far and switched_on:
        text = f"Test numbers that expire in more than {LONGEST.days} days: {far}."
        found.append(Error(text, hint="Set it in the admin.", id="django_verify.E042"))
    return found


def check_countries(
    app_configs: Any = None, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W023: services that send to every country of the world."""
    if queries.database() not in (databases or ()):
        return []
    try:
        limited = GeoPermission.objects.using(queries.database()).filter(action="block").exists()
        if limited or not VerifyService.objects.using(queries.database()).exists():
            return []
    except DatabaseError:
        return []  # not migrated yet
    return [
        checks.Warning(
            "Codes are sent to every country: who pumps messages can choose the most expensive.",
            hint="In the admin, under Countries, “Set all countries” to those that you serve.",
            id="django_verify.W023",
        )
    ]


def check_workers(
    app_configs: Any = None, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W027: workers that something waits for, and that have not run."""
    if queries.database() not in (databases or ()):
        return []
    try:
        late = [state for state in health.worker_states() if state.is_late]
    except (DatabaseError, ImproperlyConfigured):
        return []  # not migrated yet; or check_settings reports it
    return [
        checks.Warning(f"{state.name}: {state.sentence}", hint=state.deed, id="django_verify.W027")
        for state in late
    ]


def check_slow_sending(
    app_configs: Any = None, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W026: requests that wait for a slow provider, by what its latest messages took."""
    if queries.database() not in (databases or ()):
        return []
    try:
        if conf.current().DISPATCH != dispatch.INLINE:
            return []
        taken = _seconds_by_sender()
    except (DatabaseError, ImproperlyConfigured):
        return []
    return [
        checks.Warning(
            f"DISPATCH is 'inline', and half of the latest messages of the sender {alias!r} took"
            f" {seconds:.1f} seconds or more, for which their requests waited.",
            hint="Set DISPATCH to 'tasks' or 'celery', and run workers.",
            id="django_verify.W026",
        )
        for alias, seconds in sorted(taken.items())
        if seconds >= SLOW
    ]


def _seconds_by_sender() -> dict[str, float]:
    """Return the median of what a sender's latest messages took, of those without a report."""
    since = sids.first_at("VL", timezone.now() - dt.timedelta(days=1))
    rows = queries.attempts().filter(sid__gt=since).order_by("-sid")
    columns = ("sender", "message_status", "date_created", "date_updated")
    taken = defaultdict(list)
    for alias, status, begun, ended in rows.values_list(*columns)[:SAMPLE]:
        if status == VerificationAttempt.MessageStatus.SENT:
            taken[alias].append((ended - begun).total_seconds())
    return {alias: median(all_) for alias, all_ in taken.items() if len(all_) >= FEWEST}


def check_aliases(
    app_configs: Any = None, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W029: senders that no route leads to; W030: rows that name senders which are not there."""
    if queries.database() not in (databases or ()):
        return []
    try:
        configured, settings = senders.configured(), conf.current()
        named = list(_named())
    except (DatabaseError, ImproperlyConfigured):
        return []
    found: list[CheckMessage] = [
        checks.Warning(
            f"{what} names the sender {alias!r}, which is not configured: it is left out.",
            hint="Choose another in the admin, or add it to DJANGO_VERIFY['SENDERS'].",
            id="django_verify.W030",
        )
        for what, alias in named
        if alias not in configured
    ]
    if settings.ROUTES is None:
        return found
    used = {alias for _, alias in named}
    used.update(
        alias for chains in settings.chains.values() for chain in chains.values() for alias in chain
    )
    return found + [
        checks.Warning(
            f"The sender {alias!r} gets no message: it is in no route, and no service names it.",
            hint="Add it to DJANGO_VERIFY['ROUTES'], or take it out of SENDERS.",
            id="django_verify.W029",
        )
        for alias in configured
        if alias not in used
    ]


def _named() -> Iterable[tuple[str, str]]:
    """Yield what names senders by itself, and each of their aliases, once."""
    using = queries.database()
    for row in VerifyService.objects.using(using).exclude(senders={}).only("sid", "senders"):
        for alias in dict.fromkeys(_aliases(row.senders)):
            yield f"The service {row.sid}", alias
    for route in MessagingService.objects.using(using).only("sid", "senders"):
        for alias in dict.fromkeys(_aliases(route.senders)):
            yield f"The messaging service {route.sid}", alias


def _aliases(order: Any) -> Iterator[str]:
    """Yield the aliases of an order of senders, or of those by channel and country.

    Columns may be written by others than the forms, so anything else is left out.
    """
    if isinstance(order, str):
        yield order
    elif isinstance(order, Mapping | list | tuple):
        for each in order.values() if isinstance(order, Mapping) else order:
            yield from _aliases(each)
