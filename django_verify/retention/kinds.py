"""The table of what is purged: one row for each kind, in the order in which they go.

What refers to a row goes before it, so that nothing is ever collected along foreign keys.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from django_verify import conf, sids
from django_verify.models import (
    AccessToken,
    AttemptRollup,
    BlockRollup,
    BucketCount,
    Challenge,
    ClientVerification,
    DeviceKey,
    GuardCount,
    GuardDecision,
    GuardTrip,
    Notification,
    RollupHour,
    SendOutcome,
    SpentToken,
    StatusReadCount,
    Verification,
    VerificationAttempt,
    WebhookDelivery,
)
from django_verify.models.rollups import hour_at
from django_verify.retention import budgets

# How long a row that carries its own end is kept after it, for machines whose clocks are behind.
KEPT = dt.timedelta(hours=1)
# How far back the guard looks for what became of messages, and a day; how long it knows what it had
# closed, for a range that is attacked again.
_OUTCOMES, _TRIPS = dt.timedelta(days=4), dt.timedelta(days=30)

Moment = dt.datetime


def _anything(moment: Moment) -> Q:
    return Q()


def _itself(moment: Moment) -> Any:
    return moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One table's rows, how old they get, and which of the old ones go.

    `setting` names the days that they are kept; without one a row has its own end in `key`. `key`
    is a column with an index, in whose order the rows are looked at, and `bound` makes its first
    value that is not old from a moment. `among` are conditions of the rows, each walked by itself.

    An old row that is `over` is deleted if it is `spare`, after its `parts`, which are pairs of a
    model and its reference; with `deletes` off, none is. One that is kept has its columns `wiped`
    emptied, unless it is `blank`. Of rows that are counted by the hour, `counted` names the column
    of `RollupState` that has the first hour with all of them.
    """

    name: str
    model: type[Model]
    key: str
    setting: str = ""
    bound: Callable[[Moment], Any] = _itself
    among: Sequence[Q] = (Q(),)
    over: Callable[[Moment], Q] = _anything
    deletes: bool = True
    spare: Callable[[Moment], Q] = _anything
    parts: Sequence[tuple[type[Model], str]] = ()
    wiped: Mapping[str, Any] = field(default_factory=dict)
    blank: Q = field(default_factory=Q)
    counted: str = ""

    def cut(self, now: Moment) -> Moment | None:
        """Return the moment before which rows are old; None where they are kept for good."""
        if not self.setting:
            return now - KEPT
        days: int | None = getattr(conf.current(), self.setting)
        return None if days is None else now - dt.timedelta(days=days)


def _first_of(prefix: str) -> Callable[[Moment], str]:
    """Return the function of the first SID of a moment, whose age its key states."""
    return lambda moment: sids.first_at(prefix, moment)


def _is_unused(cut: Moment) -> Q:
    """Not counted in for a day, in which every bucket has drained."""
    return Q(counted_at__lt=(cut - dt.timedelta(days=1)).timestamp())


def _refers(model: type[Model], name: str = "verification_id") -> Exists:
    """Return whether rows of a model refer to a row by the column of that name."""
    return Exists(_rows(model).filter(**{name: OuterRef("pk")}))


def _verification(*conditions: Q, **values: Any) -> Exists:
    """Return whether the verification of a row is as the conditions say."""
    found = _rows(Verification).filter(*conditions, pk=OuterRef("verification_id"), **values)
    return Exists(found)


def _rows(model: type[Model]) -> QuerySet[Any]:
    return model._default_manager.order_by()  # noqa: SLF001


def _is_over(cut: Moment) -> Q:
    """Ended before the cut, and read by no attempt and no client any more."""
    read = Exists(
        _rows(ClientVerification).filter(~Q(secret_hash=""), verification_id=OuterRef("pk"))
    )
    return Q(expires_at__lte=cut) & ~Q(_refers(VerificationAttempt)) & ~Q(read)


def _is_done_with(now: Moment) -> Q:
    return ~Q(_refers(ClientVerification)) & budgets.done_with()


def _is_no_known_device(now: Moment) -> Q:
    """Not the approval whose token a client may show for KNOWN_DEVICE_DAYS."""
    days = dt.timedelta(days=conf.current().KNOWN_DEVICE_DAYS) + budgets.MARGIN
    approved = _verification(
        status=Verification.Status.APPROVED, is_test=False, date_updated__gt=now - days
    )
    return Q(is_forgotten=True) | ~Q(approved)


def _is_numbered_on(now: Moment) -> Q:
    """Not a factor's newest challenge, on which the number of its next one is built."""
    newer = _rows(Challenge).filter(factor_id=OuterRef("factor_id"), serial__gt=OuterRef("serial"))
    return Q(factor=None) | Q(serial=None) | Q(Exists(newer))


#: What is purged, in this order.
KINDS: Sequence[Kind] = (
    Kind(
        name="attempts",
        model=VerificationAttempt,
        key="sid",
        setting="ATTEMPT_RETENTION_DAYS",
        bound=_first_of("VL"),
        # One with a time is still some worker's.
        over=lambda cut: Q(due_at=None) & Q(_verification(expires_at__lte=cut)),
        counted="attempts_from",
    ),
    Kind(
        name="clients",
        model=ClientVerification,
        key="verification_id",
        setting="CLIENT_RETENTION_DAYS",
        bound=_first_of("VE"),
        over=lambda cut: Q(_verification(expires_at__lte=cut)),
        spare=_is_no_known_device,
        wiped={"secret_hash": "", "user_key": "", "nonce": ""},
        blank=Q(secret_hash=""),
    ),
    Kind(
        name="verifications",
        model=Verification,
        key="sid",
        setting="VERIFICATION_RETENTION_DAYS",
        bound=_first_of("VE"),
        over=_is_over,
        spare=_is_done_with,
        # What the budget and known devices need stays: the key of the recipient, the counts.
        wiped={
            "to": "",
            "amount": None,
            "payee": None,
            "nonce": "",
            "sealed_code": "",
            "send_log": "",
            "lookup": {},
            "sna_url": "",
        },
        blank=Q(to=""),
    ),
    Kind(
        name="payments",
        model=Verification,
        key="sid",
        setting="PAYMENT_RETENTION_DAYS",
        bound=_first_of("VE"),
        among=(Q(amount__isnull=False),),
        over=lambda cut: Q(expires_at__lte=cut),
        deletes=False,
        wiped={"amount": None, "payee": None},
        blank=Q(amount=None),
    ),
    Kind(
        name="challenges",
        model=Challenge,
        key="expiration_date",
        setting="CHALLENGE_RETENTION_DAYS",
        spare=_is_numbered_on,
        parts=((Notification, "challenge_id"),),
        wiped=dict.fromkeys(("details", "hidden_details", "metadata", "options")),
        blank=Q(
            details__isnull=True,
            hidden_details__isnull=True,
            metadata__isnull=True,
            options__isnull=True,
        ),
    ),
    Kind(
        name="webhook deliveries",
        model=WebhookDelivery,
        key="due_at",
        setting="WEBHOOK_RETENTION_DAYS",
        # It is the end that counts, and not the event: what is still to be posted stays.
        among=(
            Q(status=WebhookDelivery.Status.DELIVERED),
            Q(status=WebhookDelivery.Status.DEAD),
        ),
    ),
    Kind(
        name="device keys",
        model=DeviceKey,
        key="date_created",
        setting="DEVICE_KEY_RETENTION_DAYS",
        over=lambda cut: Q(used_at__lt=cut),
    ),
    Kind(name="access tokens", model=AccessToken, key="expires_at"),
    Kind(name="spent tokens", model=SpentToken, key="expires_at"),
    Kind(name="rate limit counts", model=BucketCount, key="ends_at"),
    Kind(name="status read counts", model=StatusReadCount, key="ends_at"),
    Kind(
        name="guard decisions",
        model=GuardDecision,
        key="date_created",
        setting="GUARD_RETENTION_DAYS",
        counted="decisions_from",
    ),
    Kind(
        name="guard trips",
        model=GuardTrip,
        key="ends_at",
        bound=lambda moment: moment - _TRIPS,
    ),
    Kind(
        name="guard outcomes",
        model=SendOutcome,
        key="happened_at",
        bound=lambda moment: (moment - _OUTCOMES).timestamp(),
    ),
    Kind(name="guard counts", model=GuardCount, key="ends_at", over=_is_unused),
    Kind(
        name="hourly figures",
        model=RollupHour,
        key="hour",
        setting="ROLLUP_RETENTION_DAYS",
        bound=hour_at,
        parts=((AttemptRollup, "hour"), (BlockRollup, "hour")),
    ),
)
