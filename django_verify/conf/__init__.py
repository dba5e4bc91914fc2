"""The only reader of Django's settings; the keys of `DJANGO_VERIFY` are in `conf.settings`.

Nothing is read at import, so `override_settings` reaches everything.
"""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.encoding import force_bytes

from django_verify.conf.settings import CLIENT_LIMITS, ELSEWHERE, Chain, Settings

__all__ = [
    "CLIENT_LIMITS",
    "ELSEWHERE",
    "Chain",
    "Settings",
    "client_limits",
    "current",
    "debug",
    "did_you_mean",
    "forget",
    "is_redirected_to_https",
    "key_ring",
    "login_redirect_url",
    "phone_region",
    "secure_cookies",
    "session_cache_of_one_process",
    "settings_of_a_proxy",
    "site_language",
    "stored",
    "written",
]

_REDIRECTING = "django.middleware.security.SecurityMiddleware"


@lru_cache(maxsize=1)
def current() -> Settings:
    """Return the settings in force.

    Raises ImproperlyConfigured for an unknown key, and suggests the one that was meant.
    """
    given = written()
    known = [f.name for f in fields(Settings)]
    for key in given:
        if key not in known:
            hint = did_you_mean(key, known)
            raise ImproperlyConfigured(f"DJANGO_VERIFY has no key {key!r}.{hint}")
    return Settings(**given)


def written() -> dict[str, Any]:
    """Return a copy of the site's `DJANGO_VERIFY` as it is written, without the defaults.

    Raises ImproperlyConfigured for what is no dictionary.
    """
    given = getattr(django_settings, "DJANGO_VERIFY", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured("DJANGO_VERIFY must be a dictionary.")
    return dict(given)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the nearest known one, if any is near."""
    spelled = {one.lower(): one for one in known}
    near = difflib.get_close_matches(str(name).lower(), spelled, n=1)
    return f" Did you mean {spelled[near[0]]!r}?" if near else ""


@lru_cache(maxsize=1)
def key_ring() -> dict[str, bytes]:
    """Return key id → secret; the first key is the one to use for something new.

    Keys made from SECRET_KEY are named by a fingerprint, so a row finds its key again after
    the secret has moved to SECRET_KEY_FALLBACKS.
    """
    if keys := current().KEYS:
        return {name: secret.encode() for name, secret in keys.items()}
    given = [django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS]
    secrets = [force_bytes(secret) for secret in given if secret]
    return {_fingerprint(secret): secret for secret in secrets}


def _fingerprint(secret: bytes) -> str:
    # A digest, because the id stands on every row and must reveal nothing of SECRET_KEY.
    return "s" + hashlib.sha256(b"django_verify key id\0" + secret).hexdigest()[:15]


def client_limits() -> Mapping[str, Sequence[Sequence[int]]]:
    """Return the windows of each limit on clients."""
    return {**CLIENT_LIMITS, **current().CLIENT_LIMITS}


def site_language() -> str:
    """Return the language of the host's site."""
    return str(django_settings.LANGUAGE_CODE)


def login_redirect_url() -> str:
    """Return where the host's own log-in leads: a URL or the name of one."""
    return str(django_settings.LOGIN_REDIRECT_URL)


def phone_region() -> str:
    """Return the region in which the host's own forms read national numbers; mostly none."""
    return str(getattr(django_settings, "PHONENUMBER_DEFAULT_REGION", None) or "")


def debug() -> bool:
    """Return whether the site is in development."""
    return bool(django_settings.DEBUG)


def secure_cookies() -> bool:
    """Return whether the site's session cookie is for HTTPS alone, and so the cookies of ours."""
    return bool(django_settings.SESSION_COOKIE_SECURE)


def settings_of_a_proxy() -> list[str]:
    """Return the names of Django's settings that are set by sites behind a proxy alone."""
    names = ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")
    return [name for name in names if getattr(django_settings, name)]


def session_cache_of_one_process() -> str:
    """Return the class of the cache that alone has the sessions, where processes share none."""
    if django_settings.SESSION_ENGINE != "django.contrib.sessions.backends.cache":
        return ""
    cache = django_settings.CACHES.get(django_settings.SESSION_CACHE_ALIAS, {})
    name = str(cache.get("BACKEND", "")).rpartition(".")[2]
    return name if name in {"LocMemCache", "DummyCache"} else ""


def is_redirected_to_https(path: str) -> bool:
    """Return whether Django answers a plain request of a path by a redirect."""
    if not django_settings.SECURE_SSL_REDIRECT or _REDIRECTING not in django_settings.MIDDLEWARE:
        return False
    exempt = django_settings.SECURE_REDIRECT_EXEMPT
    return not any(re.search(pattern, path.lstrip("/")) for pattern in exempt)


def stored(moment: dt.datetime) -> dt.datetime:
    """Return an aware moment as the database columns have it: naive where USE_TZ is off.

    Raises ValueError or OverflowError where it cannot be made aware again, as on the calendar's
    first and last day.
    """
    if django_settings.USE_TZ:
        return moment
    local = moment.astimezone().replace(tzinfo=None)
    local.astimezone(dt.UTC)
    return local


def forget(*, setting: str = "", **_: object) -> None:
    """Read the settings anew: the receiver of Django's `setting_changed`."""
    if setting in {"", "DJANGO_VERIFY", "SECRET_KEY", "SECRET_KEY_FALLBACKS"}:
        current.cache_clear()
        key_ring.cache_clear()


setting_changed.connect(forget)
