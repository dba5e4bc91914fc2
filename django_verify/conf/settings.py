"""Every key of `DJANGO_VERIFY`, with its default, its comment and its validator."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise

_KEY_ID = re.compile(r"[0-9A-Za-z_]{1,16}\Z")
_PROOF_KEY_ID = re.compile(r"[0-9A-Za-z._-]{1,64}\Z")
_ORIGIN = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?\Z")
# A name, a domain such as `.internal`, or what may be an IP or a network; no scheme, port or mark.
_HOST = re.compile(r"\.?[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*\Z")
# What a header may carry as it is.
_TOKEN = re.compile(r"[0-9A-Za-z._~+/=-]{16,}\Z")
_REDIS = ("redis://", "rediss://")
#: The country in ROUTES that holds where no other does.
ELSEWHERE = "*"
_ENTRY = "Mapping[str, Any] | None"
# Such as a `reverse_lazy`, which cannot be read before the URLs are.
_MAY_BE_LAZY = {"USERS_VERIFY_URL"}
_MAY_BE_ZERO = {"KNOWN_DEVICE_DAYS", "TRUSTED_PROXIES"}
ENGINES = ("inline", "tasks", "celery")
GUARD_LEVELS = ("off", "basic", "standard", "max")
CLIENT_LIMITS: Mapping[str, Sequence[Sequence[int]]] = {
    "number": [[5, 600], [10, 86_400]],
    "network": [[10, 3600], [50, 86_400]],
    "device": [[10, 86_400]],
    "prefix": [[10, 600]],
    "checks": [[60, 3600]],
}
#: Where a route leads: aliases in the order in which they are tried, or each with its weight.
Chain: TypeAlias = Sequence[str] | Mapping[str, int]
#: More than any share needs, and little enough for a draw to be fair.
MAX_WEIGHT = 10**9
CONSOLE = {"console": {"BACKEND": "django_verify.senders.console.ConsoleSender"}}


@dataclass(frozen=True)
class Settings:
    """The keys of the `DJANGO_VERIFY` dictionary."""

    # Scheme and host of links in answers, such as "https://verify.example.com"; empty: the
    # request's own host, after Django's ALLOWED_HOSTS check.
    BASE_URL: str = ""
    # Key id (1–16 characters) to secret, newest first: derives and seals codes, hashes secrets.
    # Empty: SECRET_KEY and SECRET_KEY_FALLBACKS. Rotate by putting a new key in front.
    KEYS: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Alias to {"BACKEND": dotted path, "OPTIONS": {…}}; the path alone where there are no options.
    SENDERS: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: CONSOLE, repr=False)
    # Channel to the aliases tried in order, for services that name none, or to country ("US", or
    # "*" for the others) to aliases; None: every sender that serves the channel, in the order of
    # SENDERS. {"twilio": 90, "vonage": 10} in place of a list of aliases divides the verifications
    # among them by weight.
    ROUTES: Mapping[str, Chain | Mapping[str, Chain]] | None = None
    # Who sends a message: "inline", the process that started it, after its commit; "tasks",
    # Django's Tasks; "celery"; or the dotted path of a function that is called with an attempt's
    # SID and has some worker call `delivery.take` with it.
    DISPATCH: str = "inline"
    # Name of the queue of "tasks" and "celery"; empty: the engine's default.
    DISPATCH_QUEUE: str = ""
    # Platform of push notifications, "apn" or "fcm", to {"BACKEND": dotted path, "OPTIONS": {…}};
    # without one, devices of the platform are sent nothing and ask by themselves.
    PUSH_SENDERS: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    # Provider of silent network authentication, {"BACKEND": dotted path, "OPTIONS": {…}}; None: the
    # sna channel is not available.
    SNA: Mapping[str, Any] | None = field(default=None, repr=False)
    # Who knows a number's carrier, {"BACKEND": dotted path, "OPTIONS": {…}}, for services with the
    # lookup enabled; None: libphonenumber's data, offline.
    CARRIER_LOOKUP: Mapping[str, Any] | None = field(default=None, repr=False)
    # What may be guessed at one recipient's codes in 24 hours, over all services of an account, in
    # guesses of six digits; every digit more costs a tenth. At least 8.
    RECIPIENT_GUESSES_PER_DAY: int = 20
    # The guesses at codes of four or five characters, which count apart.
    RECIPIENT_GUESSES_PER_DAY_SHORT_CODE: int = 5
    # As RECIPIENT_GUESSES_PER_DAY, since the recipient was last approved. At least 8.
    RECIPIENT_GUESSES_SINCE_APPROVAL: int = 100
    # Wrong guesses of one recipient since it was last approved, whatever their codes' length, after
    # which it must be released: 100 is NIST SP 800-63B to the letter. None: no such count.
    MAX_CONSECUTIVE_FAILURES: int | None = None
    # Verifications that backends start for one recipient in 24 hours, over all services of an
    # account; callers without credentials have half as many of their own. At most 1000, because a
    # start counts them.
    RECIPIENT_STARTS_PER_DAY: int = 200
    # Rate limits that the API lets one service have.
    RATE_LIMITS_PER_SERVICE: int = 20
    # Buckets that the API lets one rate limit have.
    BUCKETS_PER_RATE_LIMIT: int = 10
    # Where rate limits and status reads are counted: empty, the database; or the URL of a Redis,
    # "redis://…" or "rediss://…" (needs the extra `limits`).
    RATE_LIMIT_STORE: str = field(default="", repr=False)
    # Seconds that a process may take to send one message before another takes it over.
    DELIVERY_LEASE: int = 60
    # Days that verifications are kept once they are over; None, here and below: for good. Of those
    # whose wrong guesses still count, and of known devices, the rest is wiped. At least 2.
    VERIFICATION_RETENTION_DAYS: int | None = 30
    # Days that attempts are kept; a verification stays as long as its attempts. At least 2.
    ATTEMPT_RETENTION_DAYS: int | None = 30
    # Days that apps and pages can read their verifications; known devices stay known. At least 2.
    CLIENT_RETENTION_DAYS: int | None = 30
    # Days after a verification is over in which its amount and payee are kept.
    PAYMENT_RETENTION_DAYS: int | None = 1
    # Days that challenges and their notifications are kept once their time is over; of a factor's
    # newest one, what it asked is wiped. At least 2.
    CHALLENGE_RETENTION_DAYS: int | None = 30
    # Days that the deliveries of webhooks and event sinks are kept once they have ended.
    WEBHOOK_RETENTION_DAYS: int | None = 30
    # Days without use after which the key of an app's installation is deleted.
    DEVICE_KEY_RETENTION_DAYS: int | None = 400
    # Days that the figures of each hour are kept, from which the dashboard and the summary of
    # attempts are answered; no recipient is in them. At least 60.
    ROLLUP_RETENTION_DAYS: int | None = 800
    # Seconds without a delivery report after which the next sender gets the message, where the
    # sender reports at all; None: only a report of failure moves it on.
    DELIVERY_REPORT_TIMEOUT: int | None = None
    # Failures in a row, within BREAKER_WINDOW, after which a sender comes last in every route.
    BREAKER_FAILURES: int = 5
    # Seconds within which they must be.
    BREAKER_WINDOW: int = 60
    # Seconds for which it comes last before one message probes it.
    BREAKER_SECONDS: int = 30
    # Seconds that the oldest due message may wait before the site counts as not ready.
    HEALTH_QUEUE_AGE: int = 120
    # Words that no brand name may hold, however they are spaced, cased or imitated; whole words.
    RESTRICTED_WORDS: Sequence[str] = ()
    # Whether the pairs of recipient and code that the admin keeps are in force: such a recipient is
    # sent nothing, and its fixed code is right.
    TEST_NUMBERS: bool = False
    # What happens when a user verifies a number that another user has: "deny", "transfer" (a
    # signal reports the former owner), "ask" (for another factor), or the dotted path of a
    # function of the user and the `VerifiedPhone` that answers one of the three.
    PHONE_CONFLICT_POLICY: str = "deny"
    # Verified numbers that a user may have.
    USERS_PHONES: int = 5
    # URL or URL name to which users without a verified number are sent; empty: they get 403.
    USERS_VERIFY_URL: str = ""
    # SID of the service that apps and pages use without credentials; empty: the one service that is
    # open to clients.
    CLIENT_SERVICE: str = ""
    # Sends in windows of seconds, [[most, seconds], …], for one "number" (or e-mail address), one
    # "network" (an IPv4 address, or the /64 of an IPv6 one), one "device" and one "prefix" (a
    # number without its last four digits), and "checks" of one network. A name left out keeps its
    # default, and [] is no limit.
    CLIENT_LIMITS: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    # Dotted paths of REST framework's authentication classes by which the endpoints for apps know a
    # user of the site; empty: callers are nobody.
    MOBILE_AUTHENTICATION: Sequence[str] = ()
    # Seconds that a client waits after its first message, its second, …; the last one repeats.
    RESEND_COOLDOWNS: Sequence[int] = (30, 40, 60, 90, 120)
    # Hashes by which Android's SMS Retriever knows the site's own apps. No client may name another:
    # an app that is handed the message by its hash needs nobody's leave to read it.
    CLIENT_APP_HASHES: Sequence[str] = ()
    # What callers without credentials pass before anything is written or sent, {"BACKEND": dotted
    # path, "OPTIONS": {…}}; None: nothing.
    BOT_PROTECTION: Mapping[str, Any] | None = field(default=None, repr=False)
    # Seconds for which a process goes by what it read of the guard's lists, 1–4; None: prefix
    # rules, countries and the guard are not in force, and no start reads them.
    GUARD_REFRESH: int | None = 2
    # What the guard does by default about numbers that may be part of a fraud: "off", "basic",
    # "standard" or "max"; each service may have another level.
    GUARD_LEVEL: str = "standard"
    # Whether the guard only records what it would refuse, for every service.
    GUARD_RECORD_ONLY: bool = False
    # Who has the last word about each start that may be sent, {"BACKEND": dotted path, "OPTIONS":
    # {…}}; None: nobody.
    GUARD_POLICY: Mapping[str, Any] | None = field(default=None, repr=False)
    # Days that the guard's decisions are kept.
    GUARD_RETENTION_DAYS: int | None = 30
    # The currency of caps and sums; what others are worth in it is kept in the admin.
    CURRENCY: str = "USD"
    # What a message costs in it, where no price is kept.
    MESSAGE_PRICE: float = 0.05
    # Whether callers without credentials get an error where an operator's rule or the guard blocks
    # their number; by default they get the answer of a success, and nothing is sent.
    SHOW_FRAUD_BLOCKS: bool = False
    # Proxies of the site that each add one IP to `X-Forwarded-For`; 0: the header is not read.
    # One too many lets callers choose their IP.
    TRUSTED_PROXIES: int = 0
    # Days for which a client that was approved is a known device at its next starts for the same
    # recipient; 0: there are none.
    KNOWN_DEVICE_DAYS: int = 180
    # Seconds after an approval in which its proof can be redeemed.
    PROOF_LIFETIME: int = 600
    # For whom proofs are; empty: BASE_URL, and without one "django_verify".
    PROOF_AUDIENCE: str = ""
    # Key id to private key in PEM, or to the path of a file with it, newest first: signs proofs
    # which others can check by `jwks.json`. Empty: proofs are signed under KEYS.
    PROOF_KEYS: Mapping[str, str] = field(default_factory=dict, repr=False)
    # What webhooks may be posted to besides public hosts: names, domains (".internal"), IPs and
    # networks, by http too and on any port. Who may register a webhook can then reach them.
    WEBHOOK_ALLOWED_HOSTS: Sequence[str] = ()
    # SID of the service that allauth, two-factor-auth and django-otp send through; empty: the
    # site's only service.
    INTEGRATIONS_SERVICE: str = ""
    # The bearer token, of at least 16 characters, by which Prometheus reads `metrics`; empty: that
    # URL answers 404.
    METRICS_TOKEN: str = field(default="", repr=False)
    # Largest request body of the API, in bytes.
    MAX_BODY: int = 256 * 1024

    def __post_init__(self) -> None:
        self._refuse_shapes()
        keys: dict[Any, Any] = dict(self.KEYS)
        for key, secret in keys.items():
            if not (isinstance(key, str) and _KEY_ID.match(key)):
                msg = f"DJANGO_VERIFY['KEYS']: {key!r} is no key id (1–16 letters, digits, _)."
                raise ImproperlyConfigured(msg)
            if not (isinstance(secret, str) and secret):
                msg = f"DJANGO_VERIFY['KEYS']: the secret of {key!r} must be a text, not empty."
                raise ImproperlyConfigured(msg)
        if self.BASE_URL and not _is_origin(self.BASE_URL):
            msg = "DJANGO_VERIFY['BASE_URL'] must begin with https:// or http:// and name a host."
            raise ImproperlyConfigured(msg)
        words: Any = self.RESTRICTED_WORDS
        if isinstance(words, str) or not _are_texts(words):
            msg = "DJANGO_VERIFY['RESTRICTED_WORDS'] must be a list of words."
            raise ImproperlyConfigured(msg)
        hosts: Any = self.WEBHOOK_ALLOWED_HOSTS
        if isinstance(hosts, str) or not all(map(_is_host_or_network, hosts)):
            msg = (
                "DJANGO_VERIFY['WEBHOOK_ALLOWED_HOSTS'] must be a list of hosts, domains that begin"
                " with a dot, IPs and networks, without scheme, port or closing dot."
            )
            raise ImproperlyConfigured(msg)
        self._refuse_numbers()
        if self.DISPATCH not in ENGINES and "." not in self.DISPATCH:
            msg = f"DJANGO_VERIFY['DISPATCH'] is none of {', '.join(ENGINES)}, and no dotted path."
            raise ImproperlyConfigured(msg)
        if self.RATE_LIMIT_STORE and not str(self.RATE_LIMIT_STORE).startswith(_REDIS):
            msg = "DJANGO_VERIFY['RATE_LIMIT_STORE'] must be empty or begin with redis:// or rediss://."
            raise ImproperlyConfigured(msg)
        token: Any = self.METRICS_TOKEN
        if token and not (isinstance(token, str) and _TOKEN.match(token)):
            msg = "DJANGO_VERIFY['METRICS_TOKEN'] must be 16 or more of A-Z a-z 0-9 . _ ~ + / = -."
            raise ImproperlyConfigured(msg)
        self._check_paths()
        self._refuse_client_limits()
        self._check_proofs()
        self._refuse_small_budgets()
        self._refuse_short_retention()
        self._refuse_routes()

    @cached_property
    def chains(self) -> Mapping[str, Mapping[str, Chain]]:
        """The chains of ROUTES by channel and country; one for all countries is ELSEWHERE's."""
        return {channel: chains(listed) for channel, listed in (self.ROUTES or {}).items()}

    @cached_property
    def has_weights(self) -> bool:
        """Whether any route divides verifications among its senders by weight."""
        found = (chain for by_country in self.chains.values() for chain in by_country.values())
        return any(isinstance(chain, Mapping) for chain in found)

    def _refuse_routes(self) -> None:
        for channel, listed in (self.ROUTES or {}).items():
            for country, chain in chains(listed).items():
                where = f"DJANGO_VERIFY['ROUTES'][{channel!r}]"
                where += f"[{country!r}]" if chain is not listed else ""
                if isinstance(chain, Mapping):
                    _refuse_weights(where, chain)
                elif not _are_aliases(chain):
                    msg = f"{where} must be a list of aliases, or map each alias to its weight."
                    raise ImproperlyConfigured(msg)

    def _refuse_shapes(self) -> None:
        """Refuse a text in the place of a dictionary, and so on, by the annotations."""
        for each in fields(self):
            value, kind = getattr(self, each.name), str(each.type)
            where = f"DJANGO_VERIFY[{each.name!r}]"
            is_text = isinstance(value, str) or (
                each.name in _MAY_BE_LAZY and isinstance(value, Promise)
            )
            if kind == "str" and not is_text:
                raise ImproperlyConfigured(f"{where} must be a text; '' is none.")
            if kind == "Sequence[str]" and not isinstance(value, Collection):
                raise ImproperlyConfigured(f"{where} must be a list.")
            # The entry of one backend may be its dotted path alone.
            if not kind.startswith("Mapping") or kind == _ENTRY:
                continue
            if not (isinstance(value, Mapping) or (value is None and kind.endswith("None"))):
                raise ImproperlyConfigured(f"{where} must be a dictionary.")

    def _refuse_short_retention(self) -> None:
        # Budgets and limits of a day are read from these rows.
        for name in ("VERIFICATION", "ATTEMPT", "CLIENT", "CHALLENGE"):
            days = getattr(self, f"{name}_RETENTION_DAYS")
            if days is not None and days < 2:
                msg = f"DJANGO_VERIFY['{name}_RETENTION_DAYS'] must be 2 or more, or None."
                raise ImproperlyConfigured(msg)
        # The summary shows the last month, whose hours must not be purged under it.
        if self.ROLLUP_RETENTION_DAYS is not None and self.ROLLUP_RETENTION_DAYS < 60:
            msg = "DJANGO_VERIFY['ROLLUP_RETENTION_DAYS'] must be 60 or more, or None."
            raise ImproperlyConfigured(msg)

    def _refuse_small_budgets(self) -> None:
        for name in ("RECIPIENT_GUESSES_PER_DAY", "RECIPIENT_GUESSES_SINCE_APPROVAL"):
            if getattr(self, name) < 8:
                msg = f"DJANGO_VERIFY[{name!r}] must be 8 or more: callers have shares in it."
                raise ImproperlyConfigured(msg)
        if self.GUARD_LEVEL not in GUARD_LEVELS:
            msg = f"DJANGO_VERIFY['GUARD_LEVEL'] must be one of {', '.join(GUARD_LEVELS)}."
            raise ImproperlyConfigured(msg)
        price: Any = self.MESSAGE_PRICE
        if type(price) not in {int, float} or price < 0:
            raise ImproperlyConfigured(
                "DJANGO_VERIFY['MESSAGE_PRICE'] must be a number, not below 0."
            )
        if not re.match(r"[A-Z]{3}\Z", str(self.CURRENCY)):
            raise ImproperlyConfigured(
                "DJANGO_VERIFY['CURRENCY'] must be three letters, such as USD."
            )
        if (self.GUARD_REFRESH or 1) > 4:
            msg = "DJANGO_VERIFY['GUARD_REFRESH'] must be at most 4: changes hold within 5 seconds."
            raise ImproperlyConfigured(msg)
        if not 1 <= self.RECIPIENT_STARTS_PER_DAY <= 1000:
            msg = "DJANGO_VERIFY['RECIPIENT_STARTS_PER_DAY'] must be between 1 and 1000."
            raise ImproperlyConfigured(msg)

    def _check_paths(self) -> None:
        policy = self.PHONE_CONFLICT_POLICY
        if policy not in {"deny", "transfer", "ask"} and "." not in policy:
            msg = "DJANGO_VERIFY['PHONE_CONFLICT_POLICY']: deny, transfer, ask or a dotted path."
            raise ImproperlyConfigured(msg)
        self._check_texts("MOBILE_AUTHENTICATION", "dotted paths")

    def _check_texts(self, name: str, what: str) -> None:
        texts: Any = getattr(self, name)
        if isinstance(texts, str) or not _are_texts(texts):
            raise ImproperlyConfigured(f"DJANGO_VERIFY[{name!r}] must be a list of {what}.")

    def _refuse_client_limits(self) -> None:
        if unknown := set(self.CLIENT_LIMITS) - set(CLIENT_LIMITS):
            known = ", ".join(CLIENT_LIMITS)
            msg = f"DJANGO_VERIFY['CLIENT_LIMITS'] has {unknown.pop()!r}, which is none of {known}."
            raise ImproperlyConfigured(msg)
        for name, windows in self.CLIENT_LIMITS.items():
            pairs: Any = windows if isinstance(windows, list | tuple) else [windows]
            if not all(_are_positive(pair) and len(pair) == 2 for pair in pairs):
                msg = f"DJANGO_VERIFY['CLIENT_LIMITS'][{name!r}] must be pairs [most, seconds]."
                raise ImproperlyConfigured(msg)
        if not (self.RESEND_COOLDOWNS and _are_positive(self.RESEND_COOLDOWNS)):
            msg = "DJANGO_VERIFY['RESEND_COOLDOWNS'] must be whole seconds above zero."
            raise ImproperlyConfigured(msg)
        self._check_texts("CLIENT_APP_HASHES", "hashes")

    def _check_proofs(self) -> None:
        keys: Any = self.PROOF_KEYS
        if not isinstance(keys, Mapping):
            raise ImproperlyConfigured("DJANGO_VERIFY['PROOF_KEYS'] must map key ids to keys.")
        for key_id, key in keys.items():
            if not (isinstance(key_id, str) and _PROOF_KEY_ID.match(key_id)):
                # Anyone who swaps the two finds no key in the message.
                msg = "DJANGO_VERIFY['PROOF_KEYS']: a key id is 1–64 letters, digits, ., _, -."
                raise ImproperlyConfigured(msg)
            if not (isinstance(key, str) and key):
                msg = f"DJANGO_VERIFY['PROOF_KEYS']: {key_id!r} must name PEM or a file of it."
                raise ImproperlyConfigured(msg)
        audience: Any = self.PROOF_AUDIENCE
        if not isinstance(audience, str):
            raise ImproperlyConfigured("DJANGO_VERIFY['PROOF_AUDIENCE'] must be a text.")

    def _refuse_numbers(self) -> None:
        for field_ in fields(self):
            value = getattr(self, field_.name)
            if field_.type == "int | None" and value is None:
                continue
            if field_.type == "bool" and type(value) is not bool:
                msg = f"DJANGO_VERIFY['{field_.name}'] must be True or False."
                raise ImproperlyConfigured(msg)
            least = 0 if field_.name in _MAY_BE_ZERO else 1
            if str(field_.type).startswith("int") and not (type(value) is int and value >= least):
                bound = "above zero" if least else "not below zero"
                msg = f"DJANGO_VERIFY['{field_.name}'] must be a whole number {bound}."
                raise ImproperlyConfigured(msg)


def chains(listed: Any) -> Mapping[str, Chain]:
    """Return the chains of a channel in ROUTES by country; one for all countries is ELSEWHERE's."""
    by_country = isinstance(listed, Mapping) and not _has_numbers(listed)
    found: Mapping[str, Chain] = listed if by_country else {ELSEWHERE: listed}
    return found


def _has_numbers(listed: Mapping[str, Any]) -> bool:
    return any(isinstance(value, int | float) for value in listed.values())


def _are_aliases(chain: Any) -> bool:
    listed = isinstance(chain, Sequence) and not isinstance(chain, str)
    return listed and _are_texts(chain)


def _refuse_weights(where: str, weights: Mapping[Any, Any]) -> None:
    for alias, weight in weights.items():
        if type(weight) is not int or not 1 <= weight <= MAX_WEIGHT:
            msg = f"{where}: the weight of {alias!r} must be a whole number from 1 to {MAX_WEIGHT}."
            raise ImproperlyConfigured(msg)


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_origin(url: str) -> bool:
    try:
        return bool(_ORIGIN.match(url) and urlsplit(url).hostname)
    except ValueError:  # half of an IPv6 address
        return False


def _is_host_or_network(entry: object) -> bool:
    """Whether an entry of WEBHOOK_ALLOWED_HOSTS can match anything."""
    try:
        ipaddress.ip_network(str(entry), strict=False)
    except ValueError:
        return isinstance(entry, str) and bool(_HOST.match(entry))
    return isinstance(entry, str)


def _are_positive(numbers: Any) -> bool:
    listed = isinstance(numbers, list | tuple)
    return listed and all(type(number) is int and number > 0 for number in numbers)
