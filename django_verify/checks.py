"""Django's system checks: what is wrong with the settings, and what must not be deployed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, router
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils import timezone
from django.utils.module_loading import import_string

from django_verify import conf, gates, push_senders, senders
from django_verify.conf.backends import installed
from django_verify.contact import phones
from django_verify.crypto import jose, report_tokens
from django_verify.db import queries
from django_verify.delivery import dispatch
from django_verify.factors import passkeys
from django_verify.messages import channels
from django_verify.models import GeoPermission, TestNumber, VerifyService
from django_verify.models.fields import PhoneField
from django_verify.models.testnumbers import LONGEST
from django_verify.proofs import keys
from django_verify.verifications import carrier_lookup, sna

#: Of the numbering metadata.
OLDEST_METADATA = dt.timedelta(days=183)


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Whatever cannot work with these settings: the routes, an engine, a key, a gate.

    E001–E005, E020, E030–E033, E040, E044; W019; W043 and W044 of the gates.
    """
    try:
        settings = conf.current()
        configured = senders.configured()
        push_senders.configured()
        sna.configured()
        carrier_lookup.configured()
        gate = gates.configured()
        for path in _paths(settings):
            import_string(path)
        dispatch.waker()
    except (ImproperlyConfigured, ImportError) as error:
        return [Error(str(error), id="django_verify.E001")]
    found = [*_store(settings), *_routing(settings, configured), *_push()]
    return [*found, *_proofs(), *_gate(gate)]


def _paths(settings: conf.Settings) -> Iterable[str]:
    """Return the dotted paths that are first needed when a person is waiting for an answer."""
    yield from settings.MOBILE_AUTHENTICATION
    if "." in settings.PHONE_CONFLICT_POLICY:
        yield settings.PHONE_CONFLICT_POLICY


def _push() -> Iterable[CheckMessage]:
    configured = push_senders.configured()
    if configured and not jose.available():
        yield Error(
            "DJANGO_VERIFY['PUSH_SENDERS'] is set, and the library that push needs is not there.",
            hint="Install django-verify[jose].",
            id="django_verify.E030",
        )
    for sender in configured.values():
        yield from sender.check()


def _gate(gate: gates.Gate | None) -> Iterable[CheckMessage]:
    return () if gate is None else gate.check()


def _proofs() -> Iterable[CheckMessage]:
    try:
        keys.ring()
    except ImproperlyConfigured as error:
        hint = "An EC key on P-256 or an Ed25519 key, private, in PEM, without a password."
        yield Error(str(error), hint=hint, id="django_verify.E040")


def _store(settings: conf.Settings) -> Iterable[CheckMessage]:
    if settings.RATE_LIMIT_STORE and not installed("limits", "redis"):
        yield Error(
            "DJANGO_VERIFY['RATE_LIMIT_STORE'] names a Redis, whose libraries are not installed.",
            hint="Install django-verify[limits].",
            id="django_verify.E020",
        )


def _routing(
    settings: conf.Settings, configured: dict[str, senders.Sender]
) -> Iterable[CheckMessage]:
    found = [message for sender in configured.values() for message in sender.check()]
    found += _long_callbacks(settings, configured)
    for channel, by_country in settings.chains.items():
        if channel not in channels.CHANNELS:
            message = f"DJANGO_VERIFY['ROUTES'] names an unknown channel {channel!r}."
            found.append(Error(message, id="django_verify.E002"))
            continue
        found += _countries(channel, by_country)
        for alias in (alias for chain in by_country.values() for alias in chain):
            if alias not in configured or channel not in configured[alias].channels:
                message = f"DJANGO_VERIFY['ROUTES'][{channel!r}]: no sender {alias!r} serves it."
                found.append(Error(message, id="django_verify.E003"))
    return found


def _long_callbacks(
    settings: conf.Settings, configured: dict[str, senders.Sender]
) -> Iterable[CheckMessage]:
    limited = {
        alias: sender.callback_max_length
        for alias, sender in configured.items()
        if sender.reporting and sender.callback_max_length is not None
    }
    if not (settings.BASE_URL and limited):
        return  # before the routes are looked at, which a site need not have
    try:
        # Any token does: all are of one length.
        path = reverse("verify_site:report", args=["x" * report_tokens.LENGTH])
    except NoReverseMatch:
        return
    length = len(settings.BASE_URL.rstrip("/") + path)
    for alias, most in limited.items():
        if length > most:
            yield checks.Warning(
                f"The sender {alias!r} takes {most} characters of a URL for reports, and"
                f" this site's have {length}: its messages go without reports.",
                hint="Shorten BASE_URL, or the path that django_verify.urls is included under.",
                id="django_verify.W019",
            )


def _countries(channel: str, by_country: Mapping[str, Any]) -> Iterable[CheckMessage]:
    for country in by_country:
        if country != conf.ELSEWHERE and country not in phones.COUNTRIES:
            message = f"DJANGO_VERIFY['ROUTES'][{channel!r}]: {country!r} is no country."
            hint = "Two letters in upper case (ISO 3166-1), or '*' for the others."
            yield Error(message, hint=hint, id="django_verify.E005")


def check_phone_library(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """W045: two packages that own one folder."""
    owners = [name for name in ("phonenumbers", "phonenumberslite") if _is_installed(name)]
    if len(owners) < 2:
        return []
    return [
        checks.Warning(
            "phonenumbers and phonenumberslite are both installed, and have their files in one"
            " folder: uninstalling either breaks the other.",
            hint="Uninstall both, then install one of them.",
            id="django_verify.W045",
        )
    ]


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


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


def check_deployment(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """What is fine in development only.

    E010, E011, E031, E043, W011–W018, W020, W022, W041, W047.
    """
    try:
        settings = conf.current()
        configured = senders.configured()
        push_senders.configured()
        gate = gates.configured()
    except ImproperlyConfigured:
        return []  # check_settings reports it
    return [
        *_development_senders(configured),
        *_development_sna(),
        *_development_push(),
        *_development_gate(gate),
        *_weak_limits(settings),
        *_test_numbers(settings),
        *_unheard_reports(settings, configured),
        *_hidden_callers(settings),
        *_redirected_health(),
        *_hidden_lookups(),
        *_old_metadata(),
    ]


def _old_metadata() -> Iterable[CheckMessage]:
    released = phones.metadata_date()
    if released is not None and timezone.now().date() - released > OLDEST_METADATA:
        yield checks.Warning(
            "The installed phonenumbers is older than six months: it knows neither the ranges of"
            " numbers that were opened since, nor those that became expensive.",
            hint="Upgrade phonenumbers or phonenumberslite; until then, add prefix rules.",
            id="django_verify.W022",
        )


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


def _hidden_callers(settings: conf.Settings) -> Iterable[CheckMessage]:
    behind = conf.settings_of_a_proxy()
    if behind and not settings.TRUSTED_PROXIES:
        yield checks.Warning(
            f"TRUSTED_PROXIES is 0, and {' and '.join(behind)} says that a proxy is in front: all"
            " callers have the proxy's IP, and share the limits of one network.",
            hint="Set DJANGO_VERIFY['TRUSTED_PROXIES'] to the number of the site's proxies.",
            id="django_verify.W017",
        )


def _redirected_health() -> Iterable[CheckMessage]:
    try:
        paths = [reverse(f"verify_site:{name}") for name in ("healthz", "livez")]
    except NoReverseMatch:
        return
    redirected = [path for path in paths if conf.is_redirected_to_https(path)]
    if redirected:
        exempt = [f"^{re.escape(path.lstrip('/'))}$" for path in redirected]
        yield checks.Warning(
            f"SECURE_SSL_REDIRECT redirects {' and '.join(redirected)}: a load balancer that asks"
            " by plain HTTP takes the redirect for health, or for its absence.",
            hint=f"Add {exempt} to SECURE_REDIRECT_EXEMPT, or have it ask by HTTPS.",
            id="django_verify.W018",
        )


def _hidden_lookups() -> Iterable[CheckMessage]:
    """W047: the API takes every path below its own for one of its resources."""
    try:
        path = reverse("verify_lookups:v2", args=["+14155552671"])
        # Django looks a path up without the prefix that the server has for the site.
        path = path.removeprefix(get_script_prefix().removesuffix("/"))
        hidden = "verify_lookups" not in resolve(path).app_names
    except (NoReverseMatch, Resolver404):
        return
    if hidden:
        yield checks.Warning(
            "The URLs of the API come before those of the look-ups, and answer 404 in their place.",
            hint="Include django_verify.lookups.urls before django_verify.api.urls.",
            id="django_verify.W047",
        )


def _unheard_reports(
    settings: conf.Settings, configured: dict[str, senders.Sender]
) -> Iterable[CheckMessage]:
    reporting = [alias for alias, sender in configured.items() if sender.reporting]
    if not reporting:
        return
    try:
        reverse("verify_site:report", args=["x" * report_tokens.LENGTH])
    except NoReverseMatch:
        included = False
    else:
        included = True
    if not (settings.BASE_URL and included):
        yield checks.Warning(
            f"The senders {reporting} report deliveries, and the site has no URL for that.",
            hint="Set BASE_URL and include django_verify.urls.",
            id="django_verify.W016",
        )


def _development_senders(configured: dict[str, senders.Sender]) -> Iterable[CheckMessage]:
    for alias, sender in configured.items():
        if sender.development:
            yield Error(
                f"The sender {alias!r} reaches nobody: it is for development.",
                hint="Configure DJANGO_VERIFY['SENDERS'] with a provider.",
                id="django_verify.E010",
            )


def _development_sna() -> Iterable[CheckMessage]:
    provider = sna.configured()
    if provider is not None and provider.development:
        yield Error(
            "The provider of DJANGO_VERIFY['SNA'] knows no carrier: it approves anyone who asks.",
            hint="Configure a gateway, or leave SNA out.",
            id="django_verify.E011",
        )


def _development_push() -> Iterable[CheckMessage]:
    for platform, sender in push_senders.configured().items():
        if sender.development:
            yield Error(
                f"The push sender of {platform!r} reaches no device: it is for development.",
                hint="Configure DJANGO_VERIFY['PUSH_SENDERS'] with a push service.",
                id="django_verify.E031",
            )


def _development_gate(gate: gates.Gate | None) -> Iterable[CheckMessage]:
    if gate is not None and gate.development:
        yield Error(
            "The gate of DJANGO_VERIFY['BOT_PROTECTION'] is for development: it keeps too few out.",
            hint="Configure a provider, its real secret, and apps of the production environment.",
            id="django_verify.E043",
        )


def _test_numbers(settings: conf.Settings) -> Iterable[CheckMessage]:
    if settings.TEST_NUMBERS:
        yield checks.Warning(
            "TEST_NUMBERS is on: a pair's code is enough to pass for the owner of its number.",
            hint="Switch it on where reviewers or tests need it, for as long as they do.",
            id="django_verify.W041",
        )


def _weak_limits(settings: conf.Settings) -> Iterable[CheckMessage]:
    if (settings.MAX_CONSECUTIVE_FAILURES or 0) > 100:
        yield checks.Warning(
            "MAX_CONSECUTIVE_FAILURES is above 100, the bound of NIST SP 800-63B.",
            id="django_verify.W011",
        )
    if settings.RECIPIENT_GUESSES_PER_DAY > 100:
        yield checks.Warning(
            "RECIPIENT_GUESSES_PER_DAY is above 100: codes of 6 digits can be guessed in time.",
            id="django_verify.W012",
        )
    if settings.RECIPIENT_GUESSES_SINCE_APPROVAL > 1000:
        yield checks.Warning(
            "RECIPIENT_GUESSES_SINCE_APPROVAL is above 1000: a code is guessed with 10⁻³.",
            id="django_verify.W020",
        )
    if settings.RECIPIENT_GUESSES_PER_DAY_SHORT_CODE > 10:
        yield checks.Warning(
            "RECIPIENT_GUESSES_PER_DAY_SHORT_CODE is above 10: codes of 4 digits can be guessed.",
            id="django_verify.W014",
        )
    for name, secret in settings.KEYS.items():
        if len(secret) < 32:
            yield checks.Warning(
                f"The key {name!r} is shorter than 32 characters.", id="django_verify.W015"
            )
    if not settings.BASE_URL:
        yield checks.Warning(
            "BASE_URL is empty, so links are built from the request's Host header.",
            id="django_verify.W013",
        )
