"""The table of tables: which rows are a person's, and why the others are nobody's.

Every model of the package is in TABLES or in WITHOUT; a test holds it against Django's registry.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.apps import apps
from django.db import router
from django.db.models import Model, Q, QuerySet

from django_verify.contact import emails
from django_verify.data_subjects.people import Person
from django_verify.models import (
    AccessToken,
    Account,
    Challenge,
    ClientVerification,
    Entity,
    Factor,
    GuardDecision,
    Notification,
    PrefixRule,
    SafeListNumber,
    SendOutcome,
    StatusReadCount,
    TestNumber,
    Verification,
    VerificationAttempt,
    VerifyService,
    WebhookDelivery,
)

# Keys in one statement, which SQLite bounds.
_CHUNK = 500

#: The primary keys of a person's rows by their model.
Found = dict[type[Model], list[Any]]
Finder = Callable[[Person, Found], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """One model, how a person's rows are found, and its columns that are never given out."""

    model: type[Model]
    find: Finder
    secrets: Collection[str] = ()


def rows(model: type[Model]) -> QuerySet[Any]:
    """Return all rows of the database that is written, in no order."""
    return QuerySet(model, using=router.db_for_write(model)).order_by()


def among(model: type[Model], column: str, keys: Collection[Any]) -> Iterator[QuerySet[Any]]:
    """Yield the rows whose column has one of these values, as many as a statement takes."""
    values = list(keys)
    for start in range(0, len(values), _CHUNK):
        yield rows(model).filter(**{f"{column}__in": values[start : start + _CHUNK]})


def collect(person: Person) -> Found:
    """Return the keys of all rows of a person, by table, in the order in which they may go."""
    found: Found = {}
    for table in TABLES:
        found[table.model] = list(dict.fromkeys(table.find(person, found)))
    # What refers to a row goes before it.
    return {table.model: found[table.model] for table in reversed(TABLES)}


def _accounts(person: Person) -> QuerySet[Any]:
    mine = rows(Account)
    # The index on recipients begins with the account, so all accounts are named.
    return mine.filter(pk=person.account).values("pk") if person.account else mine.values("pk")


def _services(person: Person) -> QuerySet[Any]:
    mine = rows(VerifyService)
    return (
        mine.filter(account_id=person.account).values("pk") if person.account else mine.values("pk")
    )


def _of_recipient(model: type[Model]) -> Finder:
    def find(person: Person, found: Found) -> Iterable[Any]:
        mine = rows(model).filter(account__in=_accounts(person), recipient_key__in=person.keys)
        return mine.values_list("pk", flat=True) if person.keys else ()

    return find


def _of(model: type[Model], column: str, parent: type[Model]) -> Finder:
    """Return what finds the rows that refer to those of another table, which stands before."""

    def find(person: Person, found: Found) -> Iterable[Any]:
        for some in among(model, column, found[parent]):
            yield from some.values_list("pk", flat=True)

    return find


def _decisions(person: Person, found: Found) -> Iterable[Any]:
    yield from _of_recipient(GuardDecision)(person, found)
    yield from _of(GuardDecision, "attempt_sid", VerificationAttempt)(person, found)


def _safe_listed(person: Person, found: Found) -> Iterable[Any]:
    mine = rows(SafeListNumber).filter(account__in=_accounts(person), key__in=person.keys)
    return mine.values_list("pk", flat=True)


def _test_numbers(person: Person, found: Found) -> Iterable[Any]:
    domains = {key.rpartition("@")[2] for key in person.keys if "@" in key}
    where = Q(key__in=person.keys)
    for domain in sorted(domains):
        where |= Q(key__iendswith=f"@{domain}")
    mine = rows(TestNumber).filter(where, service__in=_services(person))
    for key, recipient in mine.values_list("pk", "recipient"):
        if "@" not in recipient or emails.key_of(recipient) in person.keys:
            yield key


def _rules(person: Person, found: Found) -> Iterable[Any]:
    mine = rows(PrefixRule).filter(prefix__in=person.spellings)
    if person.account:  # one for every account is not this account's
        mine = mine.filter(account_id=person.account)
    return mine.values_list("pk", flat=True)


def _entities(person: Person, found: Found) -> Iterable[Any]:
    mine = rows(Entity).filter(service__in=_services(person), identity_key__in=person.identities)
    return mine.values_list("pk", flat=True)


def _access_tokens(person: Person, found: Found) -> Iterable[Any]:
    if not person.identities:
        return
    # They live for minutes, so there are few.
    mine = rows(AccessToken).filter(service__in=_services(person))
    for key, identity in mine.values_list("pk", "identity").iterator():
        if identity.lower() in person.identities:
            yield key


def _deliveries(person: Person, found: Found) -> Iterable[Any]:
    """Look into the payloads of events that have not been delivered, as others have none."""
    sids = {sid for model in _NAMED for sid in found[model]}
    # A start that was refused has no other row with its SID.
    for some in among(GuardDecision, "pk", found[GuardDecision]):
        sids.update(some.values_list("attempt_sid", flat=True))
    waiting = rows(WebhookDelivery).exclude(status=WebhookDelivery.Status.DELIVERED)
    if person.account:
        waiting = waiting.filter(
            Q(webhook__service__account_id=person.account) | Q(sink__account_id=person.account)
        )
    for key, payload in waiting.values_list("pk", "payload").iterator():
        if _names(payload, person, sids):
            yield key


def _names(payload: Any, person: Person, sids: Collection[str]) -> bool:
    if isinstance(payload, Mapping):
        return any(_names([name, value], person, sids) for name, value in payload.items())
    if not isinstance(payload, list):
        return isinstance(payload, str) and (payload in sids or person.is_named_in(payload))
    if len(payload) == 2 and payload[0] == "entity_identity":
        return str(payload[1]).lower() in person.identities
    return any(_names(member, person, sids) for member in payload)


#: The tables that have rows of persons; what refers to another stands behind it.
TABLES: tuple[Table, ...] = (
    Table(Verification, _of_recipient(Verification), ("key_id", "nonce", "sealed_code", "sna_url")),
    Table(
        VerificationAttempt,
        _of(VerificationAttempt, "verification_id", Verification),
        ("lease", "sna_url", "sna_client_token_hash"),
    ),
    Table(
        ClientVerification,
        _of(ClientVerification, "verification_id", Verification),
        ("secret_hash",),
    ),
    Table(SendOutcome, _of(SendOutcome, "verification_sid", Verification)),
    Table(StatusReadCount, _of(StatusReadCount, "verification_sid", Verification)),
    Table(GuardDecision, _decisions),
    Table(SafeListNumber, _safe_listed),
    Table(TestNumber, _test_numbers, ("sealed_code", "key_id")),
    Table(PrefixRule, _rules),
    Table(Entity, _entities),
    Table(
        Factor,
        _of(Factor, "entity_id", Entity),
        ("key_id", "sealed_secret", "binding_digest"),
    ),
    Table(Challenge, _of(Challenge, "entity_id", Entity)),
    Table(Notification, _of(Notification, "challenge_id", Challenge), ("lease",)),
    Table(AccessToken, _access_tokens),
    Table(WebhookDelivery, _deliveries, ("lease",)),
)
# By whose SIDs an event names a person.
_NAMED = (Verification, VerificationAttempt, Factor, Challenge)

#: Why the other models of the package have nothing of a person.
WITHOUT: Mapping[str, str] = {
    "Account": "who calls the API: the operator's own clients",
    "ApiKey": "a credential of an account",
    "AttemptRollup": "counts of an hour, of no recipient",
    "BlockRollup": "counts of an hour, of no recipient",
    "Bucket": "a limit's size",
    "BucketCount": "keyed digests, until their window ends: what was sent stays counted",
    "Currency": "a rate of exchange",
    "DeviceKey": "a public key that an app has made; nothing says whose",
    "EventSink": "a URL of the operator",
    "GeoPermission": "a country",
    "GuardCount": "a country, or a cap",
    "GuardTrip": "a country, a block of a thousand numbers or more, or a keyed digest",
    "MessagingConfiguration": "a country and its senders",
    "MessagingService": "a list of senders",
    "Price": "a price",
    "PushCredential": "a credential of the operator",
    "RateLimit": "a limit's name",
    "RollupHour": "an hour",
    "RollupState": "how far the hours are counted",
    "SenderState": "the state of a provider",
    "SpendCap": "a sum",
    "SpendWarning": "a share of a sum",
    "SpentToken": "keyed digests of used tokens, until these run out",
    "Template": "a text",
    "TemplateTranslation": "a text",
    "VerifyService": "a service's settings",
    "Webhook": "a URL of the operator",
    "WorkerHeartbeat": "the time of a worker",
}


def hooks(name: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the label and the method of every app of the site that has rows of persons too."""
    for config in apps.get_app_configs():
        if hook := getattr(config, name, None):
            yield config.label, cast("Callable[..., Any]", hook)
