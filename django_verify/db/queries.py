"""The SELECTs of the hot paths, compiled once: building SQL costs several times its execution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connections, router
from django.db.models import CharField, Exists, Field, Model, OuterRef, QuerySet

from django_verify.models.accounts import Account
from django_verify.models.fields import SidField
from django_verify.models.senders import SenderState
from django_verify.models.services import VerifyService
from django_verify.models.testnumbers import TestNumber
from django_verify.models.verifications import Verification, VerificationAttempt

# Rows of a recipient that are read at first; more only where these do not settle a question.
HISTORY = 20

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class _Open:
    """The place of a value in a compiled query's parameters."""

    number: int


class Compiled(Generic[Row]):
    """A query with open values, whose SQL is kept for each database.

    `fields` are the fields of the open values, one for each. `build` gets a value in
    the place of each and returns the query set; everything else in it is fixed. The values are
    bound by the database driver, as ever.
    """

    def __init__(self, build: Callable[..., QuerySet[Row]], *fields: Field[Any, Any]) -> None:
        self._build = build
        self._fields = fields
        self._sql: dict[str, tuple[type[Row], str, Sequence[Any]]] = {}

    def rows(self, using: str, *values: str) -> list[Row]:
        """Run the query on a database with these values."""
        connection = connections[using]
        if using not in self._sql:
            self._sql[using] = self._compile(using)
        model, sql, params = self._sql[using]
        given = [
            field.get_db_prep_value(value, connection)
            for field, value in zip(self._fields, values, strict=True)
        ]
        bound = [given[param.number] if isinstance(param, _Open) else param for param in params]
        # A raw query applies the fields' converters, and sets the annotations on the row.
        return list(model._default_manager.using(using).raw(sql, bound))  # noqa: SLF001

    def _compile(self, using: str) -> tuple[type[Row], str, Sequence[Any]]:
        """Compile with marks that the fields take for values, and open the places they go to."""
        marks = [
            f"{field.prefix}{number:032x}" if isinstance(field, SidField) else f"\0value {number}"
            for number, field in enumerate(self._fields)
        ]
        query_set = self._build(*marks).using(using)
        sql, params = query_set.query.get_compiler(using).as_sql()
        # A parameter that equals a mark is an open value, so a mark must be none that the query has
        # of its own: it holds a NUL, or is a SID that is never drawn.
        places = {
            field.get_db_prep_value(mark, connections[using]): _Open(number)
            for number, (field, mark) in enumerate(zip(self._fields, marks, strict=True))
        }
        return query_set.model, sql, [places.get(param, param) for param in params]


_ACCOUNT_SID, _SERVICE_SID, _KEY = SidField("AC"), SidField("VA"), CharField()
_ACCOUNT = Compiled(
    lambda sid: Account.objects.filter(sid=sid, is_active=True).order_by(), _ACCOUNT_SID
)
# Whether the account serves clients, any sender fails, and the service has test numbers, comes
# along with the service, so that a start asks no table about what is not there.
_KNOWN_AT_START = {
    "has_clients": Exists(
        VerifyService.objects.filter(account_id=OuterRef("account_id"), client_enabled=True)
    ),
    "senders_fail": Exists(SenderState.objects.filter(failures__gt=0)),
    "has_test_numbers": Exists(
        TestNumber.objects.filter(service_id=OuterRef("pk"), is_active=True)
    ),
}
_SERVICE = Compiled(
    lambda sid, account: (
        VerifyService.objects.filter(sid=sid, account_id=account)
        .annotate(**_KNOWN_AT_START)
        .order_by()
    ),
    _SERVICE_SID,
    _ACCOUNT_SID,
)
_VERIFICATION = Compiled(
    lambda sid, service, account: Verification.objects.filter(
        sid=sid, service_id=service, account_id=account
    ).order_by(),
    SidField("VE"),
    _SERVICE_SID,
    _ACCOUNT_SID,
)
# By the serial and not by a time: the index of the unique constraint is in this order, and clocks
# of several machines are in none.
_OF_RECIPIENT = Compiled(
    lambda account, key: Verification.objects.filter(
        account_id=account, recipient_key=key
    ).order_by("-serial")[:HISTORY],
    _ACCOUNT_SID,
    _KEY,
)
_OF_RECIPIENT_AND_SERVICE = Compiled(
    lambda account, key, service: Verification.objects.filter(
        account_id=account, recipient_key=key, service_id=service
    ).order_by("-serial")[:HISTORY],
    _ACCOUNT_SID,
    _KEY,
    _SERVICE_SID,
)


def active_account(sid: str) -> Account | None:
    """Return an account that may call the API."""
    return next(iter(_ACCOUNT.rows(router.db_for_read(Account), sid)), None)


def client_services(sid: str) -> list[VerifyService]:
    """Return up to two services that are open to clients; with a SID, no other."""
    using = database()
    rows = VerifyService.objects.using(using).filter(client_enabled=True).order_by()
    if sid:
        rows = rows.filter(sid=sid)
    return list(rows.annotate(**_KNOWN_AT_START)[:2])


def service(sid: str, account_sid: str) -> VerifyService | None:
    """Return a service of an account."""
    using = router.db_for_read(VerifyService)
    return next(iter(_SERVICE.rows(using, sid, account_sid)), None)


def database() -> str:
    """Return where verifications are written, and so read: a replica behind it would mislead."""
    return router.db_for_write(Verification)


def verifications() -> QuerySet[Verification]:
    """Return all verifications of the database that is written, in no order."""
    return Verification.objects.using(database()).order_by()


def attempts() -> QuerySet[VerificationAttempt]:
    """Return all attempts of the database that is written, in no order."""
    return VerificationAttempt.objects.using(database()).order_by()


def verification(sid: str, service_sid: str, account_sid: str) -> Verification | None:
    """Return a verification of a service."""
    return next(iter(_VERIFICATION.rows(database(), sid, service_sid, account_sid)), None)


def of_recipient(account_sid: str, key: str) -> list[Verification]:
    """Return a recipient's latest verifications within an account, newest first."""
    return _OF_RECIPIENT.rows(database(), account_sid, key)


def of_recipient_and_service(account_sid: str, key: str, service_sid: str) -> list[Verification]:
    """Return a recipient's latest verifications within a service, newest first."""
    return _OF_RECIPIENT_AND_SERVICE.rows(database(), account_sid, key, service_sid)
