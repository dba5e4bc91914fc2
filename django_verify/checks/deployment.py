"""What is fine in development only, as far as the settings show it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils import timezone

from django_verify import conf, gates, push_senders, senders
from django_verify.contact import phones
from django_verify.crypto import report_tokens
from django_verify.delivery import dispatch
from django_verify.verifications import sna

#: Of the numbering metadata.
OLDEST_METADATA = dt.timedelta(days=183)


def check_deployment(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """What is fine in development only.

    E010, E011, E031, E043; W011–W018, W020, W022, W024, W025, W028, W033, W041.
    """
    try:
        settings = conf.current()
        configured = senders.configured()
        push_senders.configured()
        sna.configured()
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
        *_plain_http(settings),
        *_tasks_without_workers(),
        *_sessions_of_one_process(),
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
    """W033: the API takes every path below its own for one of its resources."""
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
            id="django_verify.W033",
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


def _plain_http(settings: conf.Settings) -> Iterable[CheckMessage]:
    url = urlsplit(settings.BASE_URL)
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        yield checks.Warning(
            "BASE_URL begins with http://: account tokens, codes and providers' reports travel so"
            " that anyone on the way can read and change them.",
            hint="Serve the site by HTTPS, and begin BASE_URL with https://.",
            id="django_verify.W024",
        )


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


def _tasks_without_workers() -> Iterable[CheckMessage]:
    try:
        name = dispatch.backend_without_workers()
    except ImproperlyConfigured:
        return  # Django's own check reports it
    if name:
        does = "runs no task" if name == "DummyBackend" else "runs a task in the request"
        yield checks.Warning(
            f"DISPATCH is 'tasks', and the backend of Django's Tasks is {name}, which {does}: no"
            " worker is ever woken.",
            hint="Choose a backend with workers in TASKS, such as that of django-tasks-db.",
            id="django_verify.W025",
        )


def _sessions_of_one_process() -> Iterable[CheckMessage]:
    try:
        reverse("verify_web:start")
    except NoReverseMatch:
        return
    if backend := conf.session_cache_of_one_process():
        yield checks.Warning(
            f"The pages keep a verification under way in the session, and sessions are in"
            f" {backend}, which each process has for itself: the next request of the same person"
            " finds none where another process answers it.",
            hint="Use SESSION_ENGINE 'django.contrib.sessions.backends.cached_db' or 'db', or a"
            " cache that the processes share.",
            id="django_verify.W028",
        )
