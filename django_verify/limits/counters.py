"""Counters of rate limits: fixed windows, consumed atomically, one key per window.

Windows are aligned to the epoch. The counts are in the database, or in Redis where the site says
so; what a limit is stands in the models, who hears of a refusal in the faces.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import Any

from django.db import IntegrityError, connections, router
from django.db.models import Case, CharField, F, IntegerField, Model, Q, QuerySet, When
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import conf
from django_verify.crypto import codes
from django_verify.db import config_cache, queries, reconnect, retry, savepoints, statements
from django_verify.db.sql import Place, Sql, prepare
from django_verify.db.statements import Select, Statement
from django_verify.exceptions import (
    InvalidParameter,
    ServiceUnavailable,
    TooManyEntities,
    TooManyRequests,
)
from django_verify.logs import logger
from django_verify.models import BucketCount, RateLimit, StatusReadCount, VerifyService
from django_verify.models.fields import SidField
from django_verify.models.services import UNIQUE_NAME
from django_verify.net import times

# Of one start.
NAMES = 20
VALUE_LENGTH = 256
# The vendor's limits on reading one verification's status: seconds, reads.
READS = {"minute": (60, 60), "hour": (3600, 180), "day": (86_400, 250)}
# The vendor's limit on the new entities of one account: seconds, creations.
ENTITIES = (1, 40)
# How often a store looks again at counts that changed while it looked.
MAX_TRIES = 4
# How long a count is kept in Redis after its window, in seconds, for processes whose clocks are
# behind.
REDIS_KEPT = 60
# Seconds; a start waits no longer for Redis.
REDIS_TIMEOUT = 2

# Counts one in every key, or in none: KEYS with, for each, its maximum and its seconds to live.
# Redis runs nothing else while a script runs, so that looking and counting are one step.
_CONSUME = """
local full = {}
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[2 * i - 1]) then
    full[#full + 1] = i
  end
end
if #full == 0 then
  for i, key in ipairs(KEYS) do
    redis.call('INCR', key)
    redis.call('EXPIRE', key, ARGV[2 * i])
  end
end
return full
"""


@dataclass(frozen=True, slots=True)
class Meter:
    """One bucket of a limit that a start names, and a digest of the value it is metered by."""

    limit: str
    bucket: str
    digest: str
    max: int
    interval: int


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The interval of a meter that a moment falls into; `ends` is in seconds of the epoch."""

    key: str
    max: int
    number: int
    ends: int
    limit: str = ""

    @property
    def ends_at(self) -> dt.datetime:
        return conf.stored(dt.datetime.fromtimestamp(self.ends, dt.UTC))


@sensitive_variables()
def meters(
    service: VerifyService, rate_limits: Mapping[str, Any] | None, version: int | None = None
) -> list[Meter]:
    """Return the buckets of the limits that a start names; none costs no query.

    With the service's version, limits that were read under it cost none either. Raises
    InvalidParameter for a name that the service has not, and for a value that is no text.
    """
    if not rate_limits:
        return []
    values = _read(rate_limits)
    limits = config_cache.parts(service.sid, version, partial(_limits_of, service.sid))
    metered = []
    for name, value in values.items():
        if name not in limits:
            raise InvalidParameter("rate_limits", f"there is no rate limit named {name!r}")
        # Metered values are often IP addresses or names, so the store has a keyed digest. It covers
        # the bucket: equal values of two limits do not look alike.
        metered += [
            Meter(name, sid, codes.fingerprint(sid, value), most, interval)
            for sid, most, interval in limits[name]
        ]
    return metered


def _limits_of(service_sid: str) -> dict[str, list[tuple[str, int, int]]]:
    """Return the limits of a service by name, each with SID, maximum and interval of its buckets.

    They are read where they are written: a replica may not have the version yet.
    """
    limits: dict[str, list[tuple[str, int, int]]] = {}
    for name, *bucket in _LIMITS.rows(router.db_for_write(RateLimit), service=service_sid):
        buckets = limits.setdefault(name, [])
        if bucket[0] is not None:
            buckets.append((bucket[0], bucket[1], bucket[2]))
    return limits


_LIMITS = Select(
    lambda service: (
        RateLimit.objects.filter(service_id=service)
        .order_by()
        .values_list("unique_name", "buckets__sid", "buckets__max", "buckets__interval")
    ),
    service=SidField("VA"),
)


@cache
def _counts(count: int) -> Select:
    """Return the query of so many windows' counts."""
    return Select(
        lambda **keys: (
            BucketCount.objects.filter(key__in=list(keys.values()))
            .order_by()
            .values_list("key", "count")
        ),
        **{f"key{number}": CharField() for number in range(count)},
    )


def consume(metered: Sequence[Meter]) -> None:
    """Count one start in every meter, or in none.

    Raises TooManyRequests, which names a full limit and the seconds until all have room, and
    ServiceUnavailable when the store does not answer.
    """
    if not metered:
        return
    now = timezone.now().timestamp()
    windows = _windows(metered, now)
    in_redis = conf.current().RATE_LIMIT_STORE
    full = _consume_in_redis(windows, now) if in_redis else _consume_in_database(windows)
    if full:
        last = max(full, key=lambda window: window.ends)
        raise TooManyRequests(retry_after=_seconds(last, now), limit=last.limit)


def counting(metered: Sequence[Meter]) -> Statement | None:
    """Return what counts one start in every meter, to be one statement with what the start writes.

    The whole statement fails with an IntegrityError where a limit is full. None where `consume` has
    to count: in Redis, in another database than the start's, or in what was full when it was looked
    at last.
    """
    using = router.db_for_write(BucketCount)
    if not metered or conf.current().RATE_LIMIT_STORE or using != queries.database():
        return None
    windows = _windows(metered, timezone.now().timestamp())
    if not _known_full.isdisjoint(window.key for window in windows):
        return None
    return _counting(using, windows)


def count_read(verification_sid: str) -> None:
    """Count one status read of a verification. Raises TooManyRequests; never while DEBUG is on.

    A store that does not answer stops no reads: they send nothing.
    """
    if conf.debug():
        return
    now = timezone.now().timestamp()
    windows = {
        name: _window(f"read.{verification_sid}", name, interval, most, now)
        for name, (interval, most) in READS.items()
    }
    if conf.current().RATE_LIMIT_STORE:
        try:
            full = _consume_in_redis(list(windows.values()), now)
        except ServiceUnavailable:
            return
    else:
        full = _read_in_database(verification_sid, windows)
    if full:
        raise TooManyRequests(retry_after=max(_seconds(window, now) for window in full))


def count_entity(account_sid: str) -> None:
    """Count one new entity of an account. Raises TooManyEntities.

    A store that does not answer stops nobody: nothing is sent.
    """
    now = timezone.now().timestamp()
    interval, most = ENTITIES
    window = _window("entities", account_sid, interval, most, now)
    if conf.current().RATE_LIMIT_STORE:
        try:
            full = _consume_in_redis([window], now)
        except ServiceUnavailable:
            return
    else:
        full = _consume_in_database([window])
    if full:
        raise TooManyEntities(retry_after=_seconds(window, now))


@sensitive_variables()
def _read(rate_limits: Mapping[Any, Any]) -> dict[str, str]:
    if len(rate_limits) > NAMES:
        raise InvalidParameter("rate_limits", f"at most {NAMES} names")
    values = {}
    for name, value in rate_limits.items():
        if not (isinstance(name, str) and UNIQUE_NAME.match(name) and len(name) <= 256):
            shown = str(name)[:64]
            raise InvalidParameter("rate_limits", f"there is no rate limit named {shown!r}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = json.dumps(value)
        if not isinstance(value, str) or len(value) > VALUE_LENGTH:
            reason = f"the value of {name!r} must be a text of at most {VALUE_LENGTH} characters"
            raise InvalidParameter("rate_limits", reason)
        values[name] = value
    return values


def _windows(metered: Sequence[Meter], now: float) -> list[Window]:
    """Return the windows of a start, each once.

    Sorted, so that starts with the same meters never wait for each other in a circle.
    """
    return sorted(
        {
            # The interval is in the key: windows of two lengths under one key would count each
            # other's starts, also where a bucket is given another interval.
            _window(f"{m.bucket}.{m.interval}", m.digest, m.interval, m.max, now, m.limit)
            for m in metered
        }
    )


def _window(
    subject: str, detail: str, interval: int, most: int, now: float, limit: str = ""
) -> Window:
    number = int(now // interval)
    ends = (number + 1) * interval
    return Window(f"{subject}.{number}.{detail}", most, number, ends, limit)


def _seconds(window: Window, now: float) -> int:
    return times.whole_seconds(window.ends - now)


def _rows(model: type[Model]) -> QuerySet[Any]:
    return model._default_manager.using(router.db_for_write(model)).order_by()  # noqa: SLF001


# The windows that were full when this process looked last: it looks at their counts before it
# tries to count, so that a flood ends without a row that is written or locked.
_known_full: set[str] = set()
_MOST_FULL = 10_000


def _consume_in_database(windows: list[Window]) -> list[Window]:
    """Count one in every window, or return the full ones."""
    using = router.db_for_write(BucketCount)
    keys = {f"key{number}": window.key for number, window in enumerate(windows)}
    for _ in range(MAX_TRIES):
        if _known_full.isdisjoint(keys.values()) and _count_all(windows, using):
            return []
        counts: dict[str, int] = dict(_counts(len(keys)).rows(using, **keys))
        full = [window for window in windows if counts.get(window.key, 0) >= window.max]
        if full:
            if len(_known_full) >= _MOST_FULL:
                _known_full.clear()
            _known_full.update(window.key for window in full)
            return full
        _known_full.difference_update(keys.values())
    # Counts that change faster than they can be read are those of a flood.
    return windows


@retry.on_conflict
def _count_all(windows: list[Window], using: str) -> bool:
    """Count one in every window by one statement, or in none.

    The table has a constraint that no count passes its maximum. It is compared under the lock of
    each row, so that two starts never share the last place, and what breaks it undoes the whole
    statement.
    """
    write = partial(statements.run, using, _counting(using, windows))
    undone = savepoints.tolerate(write, using=using, ignore=IntegrityError, alone=True)
    return undone is None


def _counting(using: str, windows: list[Window]) -> Statement:
    """Return the statement that counts one in each window, with its values."""
    values = [each for window in windows for each in (window.key, window.max, window.ends_at)]
    return _statement(using, len(windows)), values


@lru_cache(maxsize=64)
def _statement(using: str, number: int) -> Sql:
    """Return the statement that counts one in so many windows."""
    quote, mysql = connections[using].ops.quote_name, connections[using].vendor == "mysql"
    table = quote(BucketCount._meta.db_table)  # noqa: SLF001 - a documented API
    key, count, most, ends_at = map(quote, ("key", "count", "max", "ends_at"))
    rows = ", ".join(["(%s, 1, %s, %s)"] * number)
    # Names of ours alone; what is counted is bound.
    new = f"INSERT INTO {table} ({key}, {count}, {most}, {ends_at}) VALUES {rows}"  # noqa: S608
    if mysql:
        text = f"{new} ON DUPLICATE KEY UPDATE {count} = {count} + 1, {most} = VALUES({most})"
    else:
        more = f"{count} = {table}.{count} + 1, {most} = excluded.{most}"
        text = f"{new} ON CONFLICT ({key}) DO UPDATE SET {more}"
    moment = prepare(BucketCount._meta.get_field("ends_at"))  # noqa: SLF001
    prepared = (None, None, moment) * number
    return Sql(text, [Place(place, each) for place, each in enumerate(prepared)])


def _read_in_database(sid: str, windows: dict[str, Window]) -> list[Window]:
    """Count one in the three windows of a row by one update, or return the full ones.

    Read as three buckets, a status costs six statements in place of one, and three rows in place
    of one: on PostgreSQL 1.7 times the time and 3 times the bytes.
    """
    rows = _rows(StatusReadCount).filter(verification_sid=sid)
    room, changes = _step(windows)
    for _ in range(MAX_TRIES):
        if retry.alone(rows.filter(room).update, **changes):
            return []
        row = rows.values().first()
        if row is None:
            if _first_read(sid, windows):
                return []
            continue
        full = [
            window
            for name, window in windows.items()
            if row[name] >= window.number and row[f"in_{name}"] >= window.max
        ]
        if full:
            return full
    return list(windows.values())


def _step(windows: dict[str, Window]) -> tuple[Q, dict[str, Any]]:
    """Return what a row with room in every window is like, and what one more read changes.

    A number only grows, so that a process whose clock is behind does not begin a window again.
    """
    room, counts, numbers = Q(), {}, {}
    number = IntegerField()
    for name, window in windows.items():
        is_past = Q(**{f"{name}__lt": window.number})
        room &= is_past | Q(**{f"in_{name}__lt": window.max})
        more = F(f"in_{name}") + 1
        counts[f"in_{name}"] = Case(When(is_past, then=1), default=more, output_field=number)
        newest = When(is_past, then=window.number)
        numbers[name] = Case(newest, default=F(name), output_field=number)
    # Counts before numbers: MySQL lets an assignment see those to its left.
    return room, {**counts, **numbers, "ends_at": windows["day"].ends_at}


def _first_read(sid: str, windows: dict[str, Window]) -> bool:
    rows = _rows(StatusReadCount)
    numbers = {name: window.number for name, window in windows.items()}
    counts = dict.fromkeys([f"in_{name}" for name in windows], 1)
    ends_at = windows["day"].ends_at
    create = partial(rows.create, verification_sid=sid, ends_at=ends_at, **numbers, **counts)
    # Of two first reads at one moment the second finds the row of the other, and counts in that.
    return savepoints.tolerate(create, using=rows.db, ignore=IntegrityError) is None


def _consume_in_redis(windows: list[Window], now: float) -> list[Window]:
    """Count one in every window, or return the full ones. Raises ServiceUnavailable."""
    import redis  # noqa: PLC0415 - of the optional extra `limits`

    script = _script(conf.current().RATE_LIMIT_STORE)
    arguments = [n for w in windows for n in (w.max, _seconds(w, now) + REDIS_KEPT)]
    try:
        full = script(keys=[f"django_verify:{w.key}" for w in windows], args=arguments)
    except redis.RedisError as error:
        logger.error("The store of the rate limits did not answer: %s", type(error).__name__)
        raise reconnect.unavailable() from None
    return [windows[place - 1] for place in full]


@lru_cache(maxsize=4)
def _script(url: str) -> Any:
    """Return the callable script of a Redis; its connections are pooled and shared by threads."""
    from limits.storage import storage_from_string  # noqa: PLC0415 - of the extra `limits`
    from redis.backoff import NoBackoff  # noqa: PLC0415 - of the extra `limits`
    from redis.retry import Retry  # noqa: PLC0415 - of the extra `limits`

    options: dict[str, Any] = {
        "socket_timeout": REDIS_TIMEOUT,
        "socket_connect_timeout": REDIS_TIMEOUT,
        # A script whose answer was lost may have counted already.
        "retry": Retry(NoBackoff(), 0),
    }
    storage: Any = storage_from_string(url, **options)
    return storage.get_connection().register_script(_CONSUME)
