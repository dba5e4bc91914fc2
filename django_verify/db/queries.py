"""The queries of the hot paths, and where their tables are written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import connections, router
from django.db.models import (
    BigIntegerField,
    Case,
    CharField,
    DateTimeField,
    Exists,
    F,
    FilteredRelation,
    JSONField,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Greatest, JSONObject
from django.utils import timezone

from django_verify import sids
from django_verify.db import statements
from django_verify.db.config_cache import COMPARED_FLAGS, FLAGS, Credential, Known
from django_verify.db.statements import Row, Rows, Select
from django_verify.models.accounts import Account, ApiKey
from django_verify.models.fields import SidField
from django_verify.models.senders import SenderState
from django_verify.models.services import VerifyService
from django_verify.models.testnumbers import TestNumber
from django_verify.models.verifications import Verification, VerificationAttempt

# Rows of a recipient that are read at first; more only where these do not settle a question.
HISTORY = 20

_LIVE = (Verification.Status.PENDING, Verification.Status.MAX_ATTEMPTS_REACHED)


def _compared_flags(account: Any) -> dict[str, Exists]:
    """Return what a start asks of other rows than the service's own."""
    return {
        "has_clients": Exists(
            VerifyService.objects.filter(account_id=account, client_enabled=True)
        ),
        "senders_fail": Exists(SenderState.objects.filter(SenderState.TROUBLED)),
    }


def _flags(account: Any, service: Any) -> dict[str, Exists]:
    """Return what a start reads of a service, so that it asks no table about what is not there."""
    pairs = TestNumber.objects.filter(service_id=service, is_active=True)
    return {**_compared_flags(account), "has_test_numbers": Exists(pairs)}


_OF_THE_SERVICE = _flags(OuterRef("account_id"), OuterRef("pk"))


def _columns(model: type[Model], prefix: str = "") -> list[str]:
    return [prefix + field.attname for field in model._meta.concrete_fields]  # noqa: SLF001


_ACCOUNT = Select(
    lambda sid: (
        Account.objects.filter(sid=sid, is_active=True).order_by().values_list(*_columns(Account))
    ),
    sid=SidField("AC"),
)
_KEY = Select(
    lambda sid: (
        ApiKey.objects.filter(sid=sid, is_active=True, account__is_active=True)
        .order_by()
        .values_list("version", "secret_hash", *_columns(Account, "account__"))
    ),
    sid=SidField("SK"),
)
_SERVICE = Select(
    lambda sid, account: (
        VerifyService.objects.filter(sid=sid, account_id=account)
        .annotate(**_OF_THE_SERVICE)
        .order_by()
        .values_list(*_columns(VerifyService), *FLAGS)
    ),
    sid=SidField("VA"),
    account=SidField("AC"),
)


def _latest(account: Any, key: Any) -> Q:
    """Return the condition of a recipient's latest verifications, by the order of their serials.

    By the serial and not by a time: the index of the unique constraint is in this order, and
    clocks of several machines are in none. Serials have few gaps, so that this bounds how many
    rows are read.
    """
    mine = Verification.objects.filter(account_id=account, recipient_key=key)
    newest = Subquery(mine.order_by("-serial").values("serial")[:1])
    # MySQL refuses a difference below zero of columns that are never negative.
    before = Greatest(newest, Value(HISTORY)) - HISTORY
    return Q(verifications__recipient_key=key, verifications__serial__gt=before)


def _latest_place(block: Any) -> dict[str, Subquery]:
    """Return what the latest start in a number block has written there, if one is asked about.

    Two numbers as one value: the database plans a query of its own for each.
    """
    if block is None:
        return {}
    rows = Verification.objects.filter(guard_block=block).order_by("-guard_place")
    place = JSONObject(number="guard_place", level="guard_level")
    return {
        "latest_place": Subquery(rows.values(place=place)[:1], output_field=JSONField()),
        "latest_sent_at": Subquery(rows.values("sent_at")[:1]),
    }


def _versions(account: Any, credential: Any) -> QuerySet[Account]:
    """Return the account's row, with the version of the key by which it was called, if any."""
    key = ApiKey.objects.filter(sid=credential, account_id=account).order_by().values("version")
    version = Value(None, BigIntegerField()) if credential is None else Subquery(key)
    return Account.objects.filter(sid=account).annotate(key_version=version)


def _joined(rows: QuerySet[Account], first: Sequence[str], condition: Q) -> QuerySet[Any, Any]:
    """Return `first` of the account beside each of its verifications under the condition.

    Without any there is one row all the same, with nothing in the verification's columns.
    """
    found = rows.annotate(found=FilteredRelation("verifications", condition=condition))
    return found.order_by().values_list(*first, *_columns(Verification, "found__"))


def _by_caller(
    build: Callable[..., Any], statement: type[Select] = Select, **fields: Any
) -> dict[bool, Select]:
    """Return a statement for callers by an API key, and one for all others."""
    fields["account"] = SidField("AC")
    return {
        True: statement(build, credential=SidField("SK"), **fields),
        False: statement(partial(build, credential=None), **fields),
    }


_AT_START = ("version", "key_version", "service_version", *COMPARED_FLAGS)
_IN_A_BLOCK = (*_AT_START, "latest_place", "latest_sent_at")


def _start(names: Sequence[str], **fields: Any) -> dict[bool, Select]:
    """Return the queries of a start, with `names` of the account and its service."""
    return _by_caller(
        lambda account, credential, service, key, block=None: _joined(
            _versions(account, credential).annotate(
                **_latest_place(block),
                service_version=Subquery(
                    VerifyService.objects.filter(sid=service, account_id=account)
                    .order_by()
                    .values("version")
                ),
                **_compared_flags(account),
            ),
            names,
            _latest(account, key),
        ),
        service=SidField("VA"),
        key=CharField(),
        **fields,
    )


_START = _start(_AT_START)
_START_IN_A_BLOCK = _start(_IN_A_BLOCK, block=BigIntegerField())
_AT_CHECK = ("version", "key_version")
# No column of another index is compared here: without statistics, PostgreSQL would rather go
# through all verifications of the service, or all that have not expired.
_CHECK = _by_caller(
    lambda account, credential, key: _joined(
        _versions(account, credential),
        _AT_CHECK,
        _latest(account, key) & Q(verifications__client="", verifications__status__in=_LIVE),
    ),
    key=CharField(),
)


# How many guesses were made when the last one is due.
_LAST = F("max_checks") - 1


def _newest_to_charge(
    account: Any, credential: Any, service: Any, key: Any, to: Any, **version: Any
) -> QuerySet[Verification]:
    """Return a recipient's newest verification, if it is what a check would be about.

    Not if the guess is its last, and ends it, where that is an event, or wipes a sealed code that
    is still to be compared. Nothing is found where the caller has changed.
    """
    mine = Verification.objects.filter(account_id=account, recipient_key=key)
    caller = Account.objects.filter(sid=account, version=version["version"])
    if credential is not None:
        keys = ApiKey.objects.filter(account_id=account, sid=credential)
        caller = caller.filter(Exists(keys.filter(version=version["key_version"])))
    return mine.filter(
        Exists(caller),
        serial=Subquery(mine.order_by("-serial").values("serial")[:1]),
        service_id=service,
        to=to,
        client="",
        amount=None,
        status=Verification.Status.PENDING,
    ).filter(
        Q(checks__lt=_LAST) | Q(checks=_LAST, reports=False, sealed_code=""),
    )


_CHARGE = _by_caller(
    lambda now, **values: (
        _newest_to_charge(**values).filter(expires_at__gt=now),
        {
            "checks": F("checks") + 1,
            "status": Case(
                When(checks=_LAST, then=Value(Verification.Status.MAX_ATTEMPTS_REACHED)),
                default=F("status"),
            ),
            "date_updated": now,
        },
    ),
    statements.UpdateReturning,
    service=SidField("VA"),
    key=CharField(),
    to=CharField(),
    version=BigIntegerField(),
    key_version=BigIntegerField(),
    now=DateTimeField(),
)
_CHECK_BY_SID = _by_caller(
    lambda account, credential, sid: _joined(
        _versions(account, credential), _AT_CHECK, Q(verifications__sid=sid)
    ),
    sid=SidField("VE"),
)


def credential(name: str) -> Credential | None:
    """Return an active account by its SID or by that of an API key; one statement.

    What names nothing costs what a name costs.
    """
    using = database()
    if sids.is_sid("SK", name):
        for version, secret_hash, *columns in _KEY.rows(using, sid=name):
            account = _row(Account, using, columns)
            return Credential(account, sids.canonical(name), secret_hash, version)
        return None
    for columns in _ACCOUNT.rows(using, sid=name):
        account = _row(Account, using, columns)
        return Credential(account, account.sid, account.auth_token_hash)
    return None


def service(sid: str, account_sid: str) -> VerifyService | None:
    """Return a service of an account."""
    using = database()
    for columns in _SERVICE.rows(using, sid=sid, account=account_sid):
        found = _row(VerifyService, using, columns[: -len(FLAGS)])
        vars(found).update(zip(FLAGS, columns[-len(FLAGS) :], strict=True))
        return found
    return None


def service_of(row: Any) -> VerifyService | None:
    """Return the service of a row, if there still is one; Django might ask a replica for it."""
    if type(row).service.is_cached(row):
        known: VerifyService | None = row.service
        return known
    found = VerifyService.objects.using(database()).filter(sid=row.service_id).order_by().first()
    if found is not None:
        statements.relate(row, service=found)
    return found


def client_services(sid: str) -> list[VerifyService]:
    """Return up to two services that are open to clients; with a SID, no other."""
    using = database()
    rows = VerifyService.objects.using(using).filter(client_enabled=True).order_by()
    if sid:
        rows = rows.filter(sid=sid)
    return list(rows.annotate(**_OF_THE_SERVICE)[:2])


def database() -> str:
    """Return where verifications are written, and so read: a replica behind it would mislead."""
    return router.db_for_write(Verification)


def verifications() -> QuerySet[Verification]:
    """Return all verifications of the database that is written, in no order."""
    return Verification.objects.using(database()).order_by()


def attempts() -> QuerySet[VerificationAttempt]:
    """Return all attempts of the database that is written, in no order."""
    return VerificationAttempt.objects.using(database()).order_by()


def of_recipient(of: VerifyService, key: str) -> list[Verification]:
    """Return a recipient's latest verifications of a service, newest first."""
    rows = verifications().filter(account_id=of.account_id, recipient_key=key, service_id=of.sid)
    return list(rows.order_by("-serial")[:HISTORY])


def live_of_recipient(of: VerifyService, key: str) -> list[Verification]:
    """Return those of a recipient, of no client's own, that may still be checked, newest first.

    They are no more than a recipient's starts of a day.
    """
    rows = verifications().filter(
        account_id=of.account_id,
        recipient_key=key,
        service_id=of.sid,
        status__in=_LIVE,
        expires_at__gt=timezone.now(),
        client="",
    )
    return list(rows.order_by("-serial"))


def unchanged(**conditions: Any) -> Rows[Verification]:
    """Return the verification under these conditions, for a conditional update."""
    return Rows(Verification, database(), conditions)


class Place(NamedTuple):
    """The latest place of a number block, how full the block was with it, and when."""

    number: int
    level: float
    taken_at: dt.datetime


class Recent(NamedTuple):
    """A recipient's latest verifications, newest first, and whether it may have older ones."""

    rows: list[Verification]
    has_older: bool
    has_clients: bool
    latest_place: Place | None
    account_version: int | None
    service_version: int | None


def at_start(
    of: VerifyService, key: str, known: Known | None = None, block: int | None = None
) -> Recent:
    """Return a recipient's latest verifications within a service's account.

    What the request goes by is compared on the way, and the latest place of the number's block
    comes along. Raises Outdated.
    """
    values: dict[str, Any] = {"key": key, "service": of.sid}
    if block is None:
        facts, rows = _found(_START, _AT_START, of, known, **values)
    else:
        facts, rows = _found(_START_IN_A_BLOCK, _IN_A_BLOCK, of, known, block=block, **values)
    has_older = bool(rows) and rows[0].serial > HISTORY
    latest = facts.get("latest_place")
    place = latest and Place(**latest, taken_at=facts["latest_sent_at"])
    versions = facts["version"], facts["service_version"]
    return Recent(rows, has_older, bool(facts["has_clients"]), place, *versions)


def at_check(of: VerifyService, key: str, known: Known | None = None) -> list[Verification]:
    """Return those of a recipient's latest verifications of a service that a check may be about.

    What the request goes by is compared on the way. Raises Outdated.
    """
    now = timezone.now()
    rows = _found(_CHECK, _AT_CHECK, of, known, key=key)[1]
    return [row for row in rows if row.service_id == of.sid and not row.is_over(now)]


def charge(
    of: VerifyService, to: str, key: str, known: Known, now: dt.datetime
) -> Verification | None:
    """Take the next guess of a recipient's newest verification, and return it as it is then.

    None, and nothing is taken, where that is not the one that a check would be about, its last
    guess takes more than this, what the request goes by is outdated, or the database has no such
    statement. A last guess ends it in the database; the row in hand is as it was.
    """
    using, credential = database(), known.credential
    if connections[using].vendor != "postgresql":
        return None
    # Until its answer is here the guess may have been taken: whatever fails, such as a wrapper of
    # the host's around its statements, the request is not tried again.
    known.is_confirmed = True
    found = _CHARGE[credential.key_version is not None].rows(
        using,
        account=of.account_id,
        credential=credential.name,
        version=credential.account.version,
        key_version=credential.key_version,
        service=of.sid,
        key=key,
        to=to,
        now=now,
    )
    if not found:
        known.is_confirmed = False
        return None
    row = _row(Verification, using, found[0])
    row.status = Verification.Status.PENDING  # as it was: the last guess has yet to be compared
    row.account_version = credential.account.version
    return row


def verification(sid: str, of: VerifyService, known: Known | None = None) -> list[Verification]:
    """Return the verification of a service that has this SID. Raises Outdated, as `at_check`."""
    rows = _found(_CHECK_BY_SID, _AT_CHECK, of, known, sid=sid)[1]
    return [row for row in rows if row.service_id == of.sid]


def _found(
    select: Mapping[bool, Select],
    names: Sequence[str],
    of: VerifyService,
    known: Known | None,
    **values: Any,
) -> tuple[dict[str, Any], list[Verification]]:
    using, width = database(), len(names)
    if known is not None:
        values["credential"] = known.credential.name
    by_key = known is not None and known.credential.key_version is not None
    rows = select[by_key].rows(using, account=of.account_id, **values)
    facts = dict(zip(names, rows[0] if rows else [None] * width, strict=False))
    if known is not None:
        known.confirm(facts)
    found = [_row(Verification, using, row[width:]) for row in rows if row[width] is not None]
    for each in found:
        each.account_version = facts["version"]
    found.sort(key=attrgetter("serial"), reverse=True)
    return facts, found


def _row(model: type[Row], using: str, columns: Sequence[Any]) -> Row:
    return statements.loaded(model, using, dict(zip(_ATTNAMES[model], columns, strict=True)))


_ATTNAMES: dict[type[Model], list[str]] = {
    model: _columns(model) for model in (Account, VerifyService, Verification)
}
