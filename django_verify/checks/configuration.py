"""What cannot work with these settings, in development as anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils.module_loading import import_string

from django_verify import conf, gates, push_senders, senders
from django_verify.conf.backends import installed
from django_verify.contact import phones
from django_verify.crypto import jose, report_tokens
from django_verify.db import queries
from django_verify.delivery import dispatch
from django_verify.messages import channels
from django_verify.proofs import keys
from django_verify.verifications import carrier_lookup, sna


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Whatever cannot work with these settings: the routes, an engine, a key, a gate.

    E001–E005, E020, E030–E033, E040, E044; W019, W032; W043 and W044 of the gates.
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
    found = [*_store(settings), *_routing(settings, configured), *_push(), *_doubled(settings)]
    return [*found, *_proofs(), *_gate(gate)]


def _doubled(settings: conf.Settings) -> Iterable[CheckMessage]:
    if settings.BASE_URL.rstrip("/").endswith("/v2"):
        yield checks.Warning(
            "BASE_URL ends in /v2, which the paths behind it begin with: links have it twice.",
            hint="Leave the scheme and the host, such as https://verify.example.com.",
            id="django_verify.W032",
        )


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


def check_autocommit(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E006: a database without autocommit, where nothing says when a message may leave."""
    using = queries.database()
    if connections[using].settings_dict["AUTOCOMMIT"]:
        return []
    return [
        Error(
            f"AUTOCOMMIT of the database {using!r} is off: no code can be checked, because a"
            " rollback could take the charge of a guess back, and no message leaves after a start.",
            hint="Take it out of DATABASES, or have a router send django_verify to another alias.",
            id="django_verify.E006",
        )
    ]


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


def check_browsable_api(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """W031: a site's own views by REST framework, whose pages for browsers have no templates."""
    if apps.is_installed("rest_framework"):
        return []
    try:
        found = [view for view in _views(get_resolver()) if _answers_browsers(view)]
    except Exception:  # noqa: BLE001 - a URLconf that cannot be read is reported by Django
        return []
    if not found:
        return []
    names = ", ".join(sorted({f"{view.__module__}.{view.__name__}" for view in found}))
    return [
        checks.Warning(
            f"REST framework answers browsers by its browsable API for {names}, and"
            " 'rest_framework' is not in INSTALLED_APPS: they get a status of 500.",
            hint="Add 'rest_framework' to INSTALLED_APPS, or take BrowsableAPIRenderer out of"
            " REST_FRAMEWORK['DEFAULT_RENDERER_CLASSES'].",
            id="django_verify.W031",
        )
    ]


def _views(resolver: Any) -> Iterable[Any]:
    """Yield the classes of REST framework's views; it notes them on what Django calls."""
    for pattern in resolver.url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _views(pattern)
        elif isinstance(view := getattr(pattern.callback, "cls", None), type):
            yield view


def _answers_browsers(view: Any) -> bool:
    renderers = getattr(view, "renderer_classes", ())
    return any(
        one.__name__ == "BrowsableAPIRenderer"
        for each in renderers
        for one in getattr(each, "__mro__", ())
    )
