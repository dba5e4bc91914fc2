"""What may still be guessed at a recipient's codes: a probability, read from its verifications.

A guess at a code of n digits succeeds with 10⁻ⁿ, so a longer code lets more of them be compared.
The budget belongs to the recipient within an account: resends, restarts and other services do not
refresh it, nor does the end of a service. Each new verification fixes the length of its code and
reserves its guesses, and the check needs no second counter. The unique serial of `Verification`
puts the reservations of one recipient in a row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.db.models import Case, F, IntegerField, Q, QuerySet, Sum, When

from django_verify import conf
from django_verify.db import queries
from django_verify.db.config_cache import Known
from django_verify.db.queries import Place
from django_verify.exceptions import MaxSendsReached, TooManyRequests
from django_verify.models import Verification, VerifyService
from django_verify.net.times import seconds_until

LONGEST = 10
#: What one guess costs by the length of the code, in units of 10⁻¹⁰.
COST: dict[int, int] = {digits: 10 ** (LONGEST - digits) for digits in range(4, LONGEST + 1)}
#: What a verification gets in place of a service's length that is not paid for any more.
LONGER = (8, 10)
# Codes below this length cost more than the whole budget, and are counted apart.
SHORT = 6
# Guesses that a verification without credentials is worth starting with; else its code is longer.
LEAST = 3

BACKEND, DEVICE, STRANGER = "backend", "device", "stranger"

_SIX_DIGITS = COST[6]
_DAY = dt.timedelta(hours=24)
# What a service may set at most.
_LONGEST_LIFETIME = dt.timedelta(hours=24)
_Status = Verification.Status


class Charge(NamedTuple):
    """Guesses at codes of one length, by one kind of caller."""

    origin: str
    code_length: int
    guesses: int


class Share(NamedTuple):
    """A bound for some kinds of callers on what is used up by some, by the length of the code.

    `short` counts guesses; the others are in units, and each holds those before it. None: no bound.
    """

    callers: tuple[str, ...]
    counted: tuple[str, ...]
    short: int
    common: int
    longer: int
    longest: int | None


@dataclass(frozen=True, slots=True)
class History:
    """A recipient's verifications, newest first.

    The first `newest` of the `rows` have no gap; None: none has. Those below them count for the
    day, or may have been guessed at after an approval. `before` has the charges of all that are
    below them, in `rows` or not, where no approval is among the first. `has_clients` is whether the
    account has a service that is open to callers without credentials. `latest_place` is that of
    the number's `block`. The rows are as they were at `read_at`, or a little later, and account and
    service had these versions then.
    """

    rows: list[Verification]
    newest: int | None = None
    before: Sequence[Charge] = ()
    has_clients: bool = True
    read_at: dt.datetime | None = None
    block: int | None = None
    latest_place: Place | None = None
    account_version: int | None = None
    service_version: int | None = None

    def is_outdated(self, now: dt.datetime) -> bool:
        """Whether a row has run out since it was read.

        While it is live it counts with all its guesses, and then with those that were made: how
        many there were at its end is not known.
        """
        return self.read_at is not None and any(
            row.status == _Status.PENDING and self.read_at < row.expires_at <= now
            for row in self.rows
        )

    def without(self, sid: str) -> History:
        """Return the history as if one of its rows were not there."""
        newest = [row for row in self.rows[: self.newest] if row.sid != sid]
        older = [row for row in self.rows[len(self.rows[: self.newest]) :] if row.sid != sid]
        return replace(self, rows=[*newest, *older], newest=len(newest))

    def since_approval(self, now: dt.datetime) -> list[Charge]:
        """Return what was charged since the last approval, with all that may come."""
        newest = self.rows[: self.newest]
        approved = next((row for row in newest if _is_proof(row)), None)
        if approved is None:
            return [*(charge(row, now) for row in newest), *self.before]
        # One that began before the approval may have been guessed at after it.
        return [
            charge(row, now)
            for row in self.rows
            if row.serial > approved.serial
            or (
                row.expires_at > approved.date_updated
                and (row.status == _Status.PENDING or row.date_updated > approved.date_updated)
            )
        ]


def history(
    service: VerifyService,
    key: str,
    now: dt.datetime,
    known: Known | None = None,
    block: int | None = None,
) -> History:
    """Read as many of the recipient's verifications as its budget in the service's account asks.

    What the request goes by is compared on the way. Raises Outdated.
    """
    recent = queries.at_start(service, key, known, block)
    rows = recent.rows
    found = History(
        rows,
        has_clients=recent.has_clients,
        read_at=now,
        block=block,
        latest_place=recent.latest_place,
        account_version=recent.account_version,
        service_version=recent.service_version,
    )
    if not recent.has_older:
        return found
    everything = queries.verifications().filter(account_id=service.account_id, recipient_key=key)
    below = everything.filter(serial__lt=rows[-1].serial)
    approved = next((row for row in rows if _is_proof(row)), None)
    before = () if approved else _charges(below, now)
    since = min(now - _DAY, approved.date_updated) if approved else now - _DAY
    # Services differ in their lifetimes: what began earlier may end later.
    newest = len(rows)
    if rows[-1].sent_at > since - _LONGEST_LIFETIME:
        rows += below.filter(expires_at__gt=since).order_by("-serial")
    return replace(found, newest=newest, before=before)


def reserve(
    past: History,
    row: Verification,
    *,
    wanted: int,
    now: dt.datetime,
    fixed: bool = False,
    has_clients: bool = True,
) -> tuple[int, int]:
    """Return the code length and the guesses, at most `wanted`, of a verification to be written.

    One that is live counts with all that it may still compare, so the reserve holds whatever
    happens to it. A length that is not paid for is exceeded, unless it is `fixed`; a backend's only
    where the budget since the last approval is too small, which no time gives back. Raises
    MaxSendsReached when nothing is left, TooManyRequests after too many starts.
    """
    settings, caller = conf.current(), origin(row)
    day = [each for each in past.rows if each.expires_at > now - _DAY]
    if day:
        _refuse_many_starts(day, caller, now)
    today, since = [charge(each, now) for each in day], past.since_approval(now)
    if settings.MAX_CONSECUTIVE_FAILURES is not None:
        wanted = min(wanted, settings.MAX_CONSECUTIVE_FAILURES - sum(c.guesses for c in since))
        if wanted < 1:
            raise MaxSendsReached("Too many wrong codes in a row: the recipient must be released")
    for_day, for_good = shares(settings, has_clients=has_clients)
    longer = () if fixed else tuple(each for each in LONGER if each > row.code_length)
    for length in (row.code_length, *longer):
        # The approval of a test number proves nothing, and no other may come.
        lasting = wanted if row.is_test else guesses_left(for_good, since, caller, length)
        left = min(wanted, lasting, guesses_left(for_day, today, caller, length))
        if caller == BACKEND:
            least = 1
            if lasting < min(wanted, LEAST) and not fixed:
                continue
            if left < 1 <= lasting:
                break
        else:
            most = max(guesses_left(for_day, (), caller, length), 1)
            least = min(wanted, most, LEAST if length < LONGER[0] else most)
        if left >= least:
            # Apps that test one number at a time leave some to each other.
            return length, (left + 1) // 2 if row.is_test and row.client else left
    raise _nothing_left(day, now) if lasting >= 1 else _nothing_lasting()


def shares(
    settings: conf.Settings, *, has_clients: bool
) -> tuple[tuple[Share, ...], tuple[Share, ...]]:
    """Return the shares of the day's budget, and of the one since the last approval.

    Each holds back what codes of the next length need, so that the longest are never refused: a
    day's starts with codes of ten digits cost five units each. Clients leave a backend LEAST
    guesses, whatever has used up the others. Devices have their share whether any is known or
    not, or the length of a stranger's second code would reveal who was approved before.
    """
    units = settings.RECIPIENT_GUESSES_PER_DAY * _SIX_DIGITS
    short = settings.RECIPIENT_GUESSES_PER_DAY_SHORT_CODE
    last = 5 * settings.RECIPIENT_STARTS_PER_DAY
    half, few = units // 2, max(min(short // 2, short - LEAST), 0)
    backends, clients, strangers = (BACKEND,), (DEVICE, STRANGER), (STRANGER,)
    every = backends + clients
    day = [Share(every, every, short, units, units, units)]
    if has_clients:
        common = units - _SIX_DIGITS + last // 2
        held = units - (LEAST + 1) * _SIX_DIGITS
        day = [
            Share(backends, every, short, common, units - last, units - last // 2),
            Share(clients, every, max(short - LEAST, 0), held - _SIX_DIGITS, held, units),
            Share(clients, clients, few, half - _SIX_DIGITS, half - last // 2, half),
        ]
    total = settings.RECIPIENT_GUESSES_SINCE_APPROVAL
    units = total * _SIX_DIGITS
    ever = [
        Share(every, every, total, units * 9 // 10, units * 19 // 20, None),
        Share(clients, clients, total // 2, units * 9 // 20, units * 19 // 40, None),
    ]
    if settings.KNOWN_DEVICE_DAYS > 0:
        some = half // 2
        longer = some + _SIX_DIGITS // 2 - last // 4
        day.append(Share(strangers, strangers, few, some, longer, None))
        longer = units * 19 // 80
        ever.append(Share(strangers, strangers, total // 2, units * 9 // 40, longer, None))
    return tuple(day), tuple(ever)


def guesses_left(
    budget: Sequence[Share], charges: Sequence[Charge], caller: str, code_length: int
) -> int:
    """Return how many guesses at a length every share of the caller's still pays for."""
    is_short = code_length < SHORT
    left: int = 10**LONGEST
    for share in budget:
        if caller not in share.callers:
            continue
        most = share.longest
        if code_length < LONGEST:
            most = share.longer if code_length >= LONGER[0] else share.common
        if is_short:
            most = share.short
        if most is None:
            continue
        used = sum(
            each.guesses * (1 if is_short else COST[each.code_length])
            for each in charges
            if each.origin in share.counted and (each.code_length < SHORT) == is_short
        )
        left = min(left, (most - used) // (1 if is_short else COST[code_length]))
    return max(left, 0)


def origin(row: Verification) -> str:
    """Return who started a verification: a backend, a known device, or a stranger."""
    if not row.client or row.is_test:
        return BACKEND
    return DEVICE if row.recognized else STRANGER


def charge(row: Verification, now: dt.datetime) -> Charge:
    """Return the wrong guesses of a row; of a live one, all that it may come to."""
    guesses = row.checks - 1 if row.confirmed else row.checks
    if row.status == _Status.PENDING and not row.is_over(now):
        guesses = row.max_checks
    elif row.forgiven:
        guesses = 0
    return Charge(origin(row), row.code_length, guesses)


def _is_proof(row: Verification) -> bool:
    """Whether the recipient was approved by it, and not an operator's test number."""
    return row.valid and not row.is_test


def _refuse_many_starts(day: list[Verification], caller: str, now: dt.datetime) -> None:
    """Refuse a start beyond its share: half as many as backends have are for the others.

    A quarter is the strangers', so that known devices keep theirs.
    """
    most = conf.current().RECIPIENT_STARTS_PER_DAY
    windows: list[tuple[tuple[str, ...], int]] = [((BACKEND,), most)]
    if caller != BACKEND:
        windows = [((DEVICE, STRANGER), max(most // 2, 1))]
        if caller == STRANGER:
            windows.append(((STRANGER,), max(most // 4, 1)))
    for origins, allowed in windows:
        counted = [row for row in day if origin(row) in origins]
        if len(counted) >= allowed:
            raise TooManyRequests(
                "Too many verifications of this recipient in 24 hours",
                retry_after=seconds_until(counted[allowed - 1].expires_at + _DAY, now),
            )


def _nothing_left(day: list[Verification], now: dt.datetime) -> MaxSendsReached:
    """Return whether open verifications hold the rest, or wrong codes have used it up."""
    live = [row.expires_at for row in day if row.status == _Status.PENDING and not row.is_over(now)]
    if live:
        text = "Too many verifications of this recipient are open"
        return MaxSendsReached(text, retry_after=seconds_until(min(live), now))
    oldest = min((row.expires_at for row in day if charge(row, now).guesses), default=now)
    text = "Too many wrong codes were tried for this recipient"
    return MaxSendsReached(text, retry_after=seconds_until(oldest + _DAY, now))


def _nothing_lasting() -> MaxSendsReached:
    """Return that a code of this length is not paid for until an approval."""
    return MaxSendsReached("Too many wrong codes were tried for this recipient: take a longer code")


def _charges(below: QuerySet[Verification], now: dt.datetime) -> list[Charge]:
    """Return what the database counts of the rows below the newest, since an approval in them."""
    proofs = below.filter(status=_Status.APPROVED, is_test=False).order_by("-serial")
    if approved := proofs.only("serial", "date_updated").first():
        after = Q(status=_Status.PENDING) | Q(date_updated__gt=approved.date_updated)
        after &= Q(expires_at__gt=approved.date_updated)
        below = below.filter(after | Q(serial__gt=approved.serial))
    live = Q(status=_Status.PENDING, expires_at__gt=now)
    guesses = Case(
        When(live, then=F("max_checks")),
        When(confirmed=True, then=F("checks") - 1),
        default=F("checks"),
        output_field=IntegerField(),
    )
    is_backend = Case(
        When(Q(client="") | Q(is_test=True), then=1), default=0, output_field=IntegerField()
    )
    sums = (
        below.filter(live | Q(forgiven=False, checks__gt=0))
        .annotate(is_backend=is_backend)
        .values_list("is_backend", "recognized", "code_length")
        .annotate(total=Sum(guesses))
    )
    return [
        Charge(BACKEND if is_backend else DEVICE if recognized else STRANGER, digits, total)
        for is_backend, recognized, digits, total in sums
    ]
