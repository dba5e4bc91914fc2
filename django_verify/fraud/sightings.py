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
# than the last reading by so many seconds is read again each time, and the rest of what may appear
# late twice in that time.
_OVERLAP, _LATE = 1.0, 20.0
_ATTEMPT = SidField("VL")
# The kinds of rows: a send, and the outcomes as they are stored.
_SENT = "s"
# What one column has of a send: number, country, channel, network, device, whether by a stranger.
_PARTS = 6
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
    events = sorted(_events(seen, _since(seen, moment), moment), key=itemgetter(0))
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


def _since(seen: Sightings, moment: float) -> float:
    """Return from when on is read what has been written since the last reading."""
    if seen.read_at is None:
        seen.read_late_at = moment
        return moment - LONG
    if abs(moment - seen.read_late_at) < _LATE / 2:
        return min(seen.read_at, moment) - _OVERLAP
    seen.read_late_at = moment
    return min(seen.read_at, moment) - _LATE


_Event = tuple[float, str, str, Any]


def _events(seen: Sightings, since: float, moment: float) -> Iterable[_Event]:
    """Yield what has happened since a moment and is not known: its time, account and kind.

    A ledger knows a verification by what the driver makes of its SID.
    """
    connection = connections[seen.using]
    begin = dt.datetime.fromtimestamp(since, dt.UTC)
    first = _ATTEMPT.get_db_prep_value(sids.first_at("VL", begin), connection)
    changed = connection.ops.adapt_datetimefield_value(conf.stored(begin))
    bound = [first, MOST, since, MOST, LATEST, changed]
    with connection.cursor() as cursor:
        cursor.execute(_statement(seen.using), bound)
        rows = cursor.fetchall()
    known, owners, approved = seen.known, _Owners(), set()
    for kind, sid, verification, account, what, happened in rows:
        if kind == _SENT:
            parts = [] if sid in known else what.split(" ")
            # A row that a host has written may have a space in one of them.
            if len(parts) == _PARTS and parts[0][:1] == "+":
                known[sid] = at = sids.seconds_of("VL" + _digits(sid))
                to, country, channel, network, device, stranger = parts
                by_stranger = bool(stranger)
                sent = Sent(verification, at, to, country, channel, network, device, by_stranger)
                yield at, owners[account], kind, sent
            continue
        owner = owners[account]
        ledger = seen.ledgers.get(owner)
        # Most are read more than once: again each time, and from an outcome and their own row.
        if verification in approved or (ledger is not None and ledger.has_converted(verification)):
            continue
        if kind == _CONVERTED:
            approved.add(verification)
        yield happened or moment, owner, kind, verification


class _Owners(dict[Any, str]):
    """The SIDs of the accounts that one reading names, by their columns."""

    def __missing__(self, account: str | bytes) -> str:
        self[account] = owner = "AC" + _digits(account)
        return owner


def _digits(value: str | bytes) -> str:
    """Return the hexadecimal digits of a SID's column, as the statement has it."""
    return value.hex() if isinstance(value, bytes) else value.replace("-", "")


@lru_cache(maxsize=8)
def _statement(using: str) -> str:
    """Return the one statement: the new sends that left, and the new outcomes.

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
    # In one column: most rows are read more than once, and have no use for what is in it.
    stranger = f"CASE WHEN v.{quote('recognized')} OR v.client = '' THEN '' ELSE '1' END"
    parts = ("v.recipient_key", "v.country", *(f"a.{c}" for c in (channel, network, device)))
    details = _joined((*parts, stranger), is_mysql=connections[using].vendor == "mysql")
    # When it was approved is said by its outcome, if that has been written.
    approved = ", ".join(map(key, ("r.sid", "r.sid", "r.account_id")))
    return (
        f"SELECT * FROM (SELECT 's', {sent}, {details}, 0.0 AS happened"  # noqa: S608 - names alone
        f" FROM {attempt} a INNER JOIN {verification} v ON v.sid = a.verification_id"
        f" WHERE a.sid > %s AND a.withheld = '' AND a.guard = ''"
        f" AND v.guard_block IS NOT NULL"
        f" ORDER BY a.sid DESC LIMIT %s) s"
        f" UNION ALL SELECT * FROM (SELECT kind, {happened}, '' AS details, happened_at"
        f" FROM {outcome} WHERE happened_at > %s"
        f" ORDER BY happened_at DESC LIMIT %s) o"
        f" UNION ALL SELECT 'c', {approved}, '', 0.0"
        f" FROM (SELECT sid, account_id, status, date_updated, guard_block FROM {verification}"
        f" ORDER BY sid DESC LIMIT %s) r WHERE r.status = 'approved' AND r.date_updated > %s"
        f" AND r.guard_block IS NOT NULL"
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
