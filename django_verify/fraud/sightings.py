"""What a process has read of the attempts and their outcomes, in one ledger for each account.

One statement reads what is new, at most once in GUARD_REFRESH seconds for each process; a process
that starts reads the newest sends of three days. Nothing is decided here.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.db import connections

from django_verify import conf, sids
from django_verify.contact import phones
from django_verify.db import queries
from django_verify.fraud import waiting
from django_verify.fraud.evidence import LONG, Ledger
from django_verify.fraud.tallies import Sent
from django_verify.models import SendOutcome, Verification, VerificationAttempt
from django_verify.models.fields import SidField

#: The sends that one statement reads at most, and the outcomes, the newest first.
MOST = 50_000
#: The latest verifications whose approval is read from their own rows. Where there are more in a
#: refresh, each process is asked often enough to write its outcomes in time.
LATEST = 300
# Attempts that are remembered whatever their age, for a clock that is put back.
_KNOWN = 20_000
# A start mints its SID before it commits, and machines have clocks of their own: what is younger
# than the last reading by so many seconds is read again each time. The rest of what may appear late
# is counted twice in that time, and read again where there is more of it than is known.
_OVERLAP, _LATE = 1.0, 20.0
_ATTEMPT = SidField("VL")
# The kinds of rows: a send, the outcomes as they are stored, and how many there are of both.
_SENT, _SENDS, _OUTCOMES = "s", "S", "O"
# What one column has of a send: number, country, channel, network, device, whether by a stranger.
_PARTS = 6
_COUNTS = frozenset({_SENDS, _OUTCOMES})
_CONVERTED, _NOT_SENT = map(str, (SendOutcome.Kind.CONVERTED, SendOutcome.Kind.NOT_SENT))


@dataclass(slots=True)
class Sightings:
    """All that this process knows of one database."""

    using: str
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    read_at: float | None = None
    #: When what may appear late was read last.
    read_late_at: float = 0.0
    #: The levels by which this process decides, for each account.
    levels: dict[str, set[str]] = field(default_factory=dict)
    #: Attempts that are known and may be read again, as the database names them, with their times.
    known: dict[Any, float] = field(default_factory=dict)
    #: When the latest sends were minted, and the latest outcomes written, by message and kind.
    sent_at: list[float] = field(default_factory=list)
    recorded_at: dict[tuple[Any, str], float] = field(default_factory=dict)


class _Copy:
    """This process's sightings."""

    content: Sightings | None = None
    lock = threading.Lock()


def current(
    now: dt.datetime,
    price_of: Callable[[str, str], float],
    examine: Callable[[Sightings], None],
) -> Sightings:
    """Return what is known, read anew where that is due; `examine` looks at what is new once."""
    using, moment = queries.database(), now.timestamp()
    seen = _Copy.content
    if seen is not None and seen.using == using and _is_young(seen, moment):
        return seen
    if not _Copy.lock.acquire(blocking=seen is None):
        # While one reads, the others go on with what is known.
        assert seen is not None  # noqa: S101 - without it the lock was waited for
        return seen
    try:
        seen = _Copy.content
        if seen is None or seen.using != using:
            seen = Sightings(using)
        if not _is_young(seen, moment):
            waiting.write()
            _read(seen, moment, price_of)
            _Copy.content = seen
            examine(seen)
        return seen
    finally:
        _Copy.lock.release()


def forget() -> None:
    """Know nothing, as a process that starts."""
    _Copy.content = None
    waiting.forget()


def _is_young(seen: Sightings, moment: float) -> bool:
    refresh = conf.current().GUARD_REFRESH or 1
    # By `abs`: a clock that is put back would otherwise stop all reading.
    return seen.read_at is not None and abs(moment - seen.read_at) < refresh


def _read(seen: Sightings, moment: float, price_of: Callable[[str, str], float]) -> None:
    events = sorted(_new(seen, moment), key=itemgetter(0))
    ledgers = seen.ledgers
    for then, account, kind, what in events:
        # What a clock that is ahead has written would let the codes of all others ripen at once.
        at = min(then, moment)
        ledger = ledgers.get(account)
        if ledger is None:
            ledger = ledgers[account] = Ledger(price_of, _calling_digits)
        ledger.advance(at)
        if kind == _SENT:
            what.at = at
            ledger.sent(what)
        elif kind == _CONVERTED:
            ledger.converted(what, at)
        elif kind == _NOT_SENT:
            ledger.not_sent(what, at)
        else:
            ledger.undelivered(what, at)
    for ledger in seen.ledgers.values():
        ledger.advance(moment)
    seen.read_at = moment
    if seen.read_late_at == moment and len(seen.known) > _KNOWN:
        oldest = moment - 2 * _LATE
        seen.known = {sid: at for sid, at in seen.known.items() if at > oldest}


#: Kind, attempt, verification, account, the parts of a send, and when it happened.
_Row = tuple[str, Any, Any, Any, str, float]
_Event = tuple[float, str, str, Any]


def _new(seen: Sightings, moment: float) -> Iterable[_Event]:
    """Return what has been written since the last reading, and what has appeared late."""
    if seen.read_at is None:
        rows = _rows(seen, moment - LONG)
    else:
        last = min(seen.read_at, moment)
        since, late = last - _OVERLAP, last - _LATE
        if abs(moment - seen.read_late_at) < _LATE / 2:
            return _events(seen, _rows(seen, since), moment)
        rows = _rows(seen, since, late)
        if not _is_all_known(seen, rows, since, late):
            rows = _rows(seen, late)
    seen.read_late_at = moment  # not before: a statement may have failed
    return _events(seen, rows, moment)


def _events(seen: Sightings, rows: Iterable[_Row], moment: float) -> Iterable[_Event]:
    """Yield what of the rows is not known: its time, account and kind.

    A ledger knows a verification by what the driver makes of its SID.
    """
    known, owners, approved, remembered = seen.known, _Owners(), set(), moment - 2 * _LATE
    for kind, sid, verification, account, what, happened in rows:
        if kind == _SENT:
            if sid not in known:
                known[sid] = at = sids.seconds_of("VL" + _digits(sid))
                if at > remembered:
                    seen.sent_at.append(at)
                if sent := _sent(verification, at, what):
                    yield at, owners[account], kind, sent
            continue
        if kind in _COUNTS:
            continue
        if happened > remembered:  # the others are read from their verification
            seen.recorded_at[verification, kind] = happened
        owner = owners[account]
        ledger = seen.ledgers.get(owner)
        # Some are read more than once: again each time, and from an outcome and their own row.
        if verification in approved or (ledger is not None and ledger.has_converted(verification)):
            continue
        if kind == _CONVERTED:
            approved.add(verification)
        yield happened or moment, owner, kind, verification


def _sent(verification: Any, at: float, what: str) -> Sent | None:
    """Return a send from its column; a row that a host has written may have a space in a part."""
    parts = what.split(" ")
    if len(parts) != _PARTS or parts[0][:1] != "+":
        return None
    to, country, channel, network, device, stranger = parts
    return Sent(verification, at, to, country, channel, network, device, bool(stranger))


def _rows(seen: Sightings, since: float, late: float | None = None) -> list[_Row]:
    """Return the rows of the one statement since a moment; with `late`, their numbers before it."""
    connection = connections[seen.using]
    first = _edge(since, connection)
    bound: list[Any] = [first, MOST, since, MOST, LATEST, _changed(since, connection)]
    if late is not None:
        bound[-1] = _changed(late, connection)
        bound += [_edge(late, connection), first, late, since]
    with connection.cursor() as cursor:
        cursor.execute(_statement(seen.using, counts=late is not None), bound)
        rows: list[_Row] = cursor.fetchall()
    return rows


def _edge(since: float, connection: Any) -> Any:
    """Return what the keys of attempts of a moment and later sort behind."""
    begin = dt.datetime.fromtimestamp(since, dt.UTC)
    return _ATTEMPT.get_db_prep_value(sids.first_at("VL", begin), connection)


def _changed(since: float, connection: Any) -> Any:
    begin = dt.datetime.fromtimestamp(since, dt.UTC)
    return connection.ops.adapt_datetimefield_value(conf.stored(begin))


def _is_all_known(seen: Sightings, rows: Iterable[_Row], since: float, late: float) -> bool:
    """Whether the numbers of late rows are those of the rows that were read in their time."""
    counts = {row[0]: row[-1] for row in rows if row[0] in _COUNTS}
    first, end = (
        sids.seconds_of(sids.first_at("VL", dt.datetime.fromtimestamp(moment, dt.UTC)))
        for moment in (late, since)
    )
    sends = sum(first <= at < end for at in seen.sent_at)
    outcomes = sum(late < at <= since for at in seen.recorded_at.values())
    seen.sent_at = [at for at in seen.sent_at if at >= first]
    seen.recorded_at = {key: at for key, at in seen.recorded_at.items() if at > late}
    return counts == {_SENDS: sends, _OUTCOMES: outcomes}


class _Owners(dict[Any, str]):
    """The SIDs of the accounts that one reading names, by their columns."""

    def __missing__(self, account: str | bytes) -> str:
        self[account] = owner = "AC" + _digits(account)
        return owner


def _digits(value: str | bytes) -> str:
    """Return the hexadecimal digits of a SID's column, as the statement has it."""
    return value.hex() if isinstance(value, bytes) else value.replace("-", "")


@lru_cache(maxsize=8)
def _statement(using: str, *, counts: bool) -> str:
    """Return the one statement: the new sends that left, the new outcomes, and late ones' numbers.

    What has no place in a block is no evidence: the level of its service is off, so that nobody
    writes down what becomes of it, or somebody vouches for it.
    """
    quote = connections[using].ops.quote_name
    attempt, verification, outcome = (
        quote(model._meta.db_table)  # noqa: SLF001 - a documented API
        for model in (VerificationAttempt, Verification, SendOutcome)
    )
    channel, network, device = map(quote, ("channel", "network", "device"))

    def key(column: str) -> str:
        # To make the driver's own objects of them takes half of the time of reading.
        return f"CAST({column} AS text)" if connections[using].vendor == "postgresql" else column

    sent = ", ".join(map(key, ("a.sid", "a.verification_id", "v.account_id")))
    # MySQL takes no derived table with two columns of one name.
    names = ("verification_sid", "verification_sid", "account_sid")
    happened = ", ".join(f"{key(name)} AS o{place}" for place, name in enumerate(names))
    # In one column: what is known already has no use for what is in it.
    stranger = f"CASE WHEN v.{quote('recognized')} OR v.client = '' THEN '' ELSE '1' END"
    parts = ("v.recipient_key", "v.country", *(f"a.{c}" for c in (channel, network, device)))
    details = _joined((*parts, stranger), is_mysql=connections[using].vendor == "mysql")
    # When it was approved is said by its outcome, if that has been written.
    approved = ", ".join(map(key, ("r.sid", "r.sid", "r.account_id")))
    sends = (
        f" FROM {attempt} a INNER JOIN {verification} v ON v.sid = a.verification_id"
        " WHERE a.withheld = '' AND a.guard = '' AND v.guard_block IS NOT NULL AND a.sid > %s"
    )
    statement = (
        f"SELECT * FROM (SELECT '{_SENT}', {sent}, {details}, 0.0 AS happened"  # noqa: S608 - names
        f"{sends} ORDER BY a.sid DESC LIMIT %s) s"
        f" UNION ALL SELECT * FROM (SELECT kind, {happened}, '' AS details, happened_at"
        f" FROM {outcome} WHERE happened_at > %s"
        f" ORDER BY happened_at DESC LIMIT %s) o"
        f" UNION ALL SELECT 'c', {approved}, '', 0.0"
        f" FROM (SELECT sid, account_id, status, date_updated, guard_block FROM {verification}"
        f" ORDER BY sid DESC LIMIT %s) r WHERE r.status = 'approved' AND r.date_updated > %s"
        f" AND r.guard_block IS NOT NULL"
    )
    return statement + _numbers(sends, outcome) if counts else statement


def _numbers(sends: str, outcome: str) -> str:
    """Return the part of the statement that counts what may have appeared late."""
    nothing = "NULL, NULL, NULL, ''"
    return (
        f" UNION ALL SELECT '{_SENDS}', {nothing}, COUNT(*){sends} AND a.sid < %s"  # noqa: S608 - names
        f" UNION ALL SELECT '{_OUTCOMES}', {nothing}, COUNT(*)"
        f" FROM {outcome} WHERE happened_at > %s AND happened_at <= %s"
    )


def _joined(texts: Iterable[str], *, is_mysql: bool) -> str:
    """Return the SQL of texts with spaces between them."""
    return f"CONCAT_WS(' ', {', '.join(texts)})" if is_mysql else " || ' ' || ".join(texts)


@lru_cache(maxsize=1)
def _codes() -> dict[str, int]:
    return {region: len(str(code)) for region, code in phones.regions()}


def _calling_digits(country: str) -> int:
    return _codes().get(country, 2)


def now_known() -> Sightings | None:
    """Return what is known, without a statement."""
    return _Copy.content
