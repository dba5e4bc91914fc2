"""The guard's decisions over traffic without the site around them, in some seconds.

`guard.review` decides as on a site; its ledger is fed from here, and what it closes, and counts, is
kept in memory. Refusals of the lists, of limits and of numbers that are none are not in it.
"""

from __future__ import annotations

import datetime as dt
import heapq
import os
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest import mock

import django
from django.conf import settings

from benchmarks.pumping.outcome import NOT_TAKEN, Outcome
from benchmarks.pumping.traffic import Start

BEGIN = dt.datetime(2027, 3, 1, tzinfo=dt.UTC)
# Seconds after which a provider reports that a message did not arrive.
_REPORT = 8.0
# Seconds that a verification lives, within which another start is a resend.
_LIFETIME = 600.0


def run(starts: Sequence[Start], level: str) -> Outcome:
    """Decide about the traffic at a level; `record` is the site's alone."""
    if not settings.configured:
        os.environ.setdefault("DATABASE_URL", "sqlite://:memory:")
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.pumping.settings"
        django.setup()
    return _Bare(starts, level).run()


class _Bare:
    def __init__(self, starts: Sequence[Start], level: str) -> None:
        from django_verify.fraud import sightings, spend, trips
        from django_verify.models import VerifyService

        self.starts, self.level, self.outcome = starts, level, Outcome()
        self.service = VerifyService(account_id=f"AC{0:032x}", guard_level=level)
        self.now = BEGIN
        self._first = starts[0].at if starts else 0.0
        self._phones: dict[str, Any] = {}
        self._approved: set[str] = set()
        self._agenda: list[tuple[float, int, str, str]] = []
        #: By number: the verification that is pending, and when it began.
        self._pending: dict[str, tuple[str, float]] = {}
        self._buckets: dict[str, tuple[float, float]] = {}
        #: By number block: the latest place that is taken in it.
        self._places: dict[int, Any] = {}
        self._rows: dict[str, trips.Trip] = {}
        self._times: dict[str, tuple[int, dt.datetime]] = {}
        self._slots: dict[tuple[str, str], dict[str, trips.Trip]] = {}
        self._seen = sightings.Sightings("")
        self._ledger = self._seen.ledgers[self.service.account_id] = sightings.Ledger(
            self._price,
            sightings._calling_digits,  # noqa: SLF001 - as it reads the attempts of a site
        )
        self._seen.levels[self.service.account_id] = {level}
        self._read_at: dt.datetime | None = None
        self._new: list[tuple[float, str, Any]] = []
        self._prices = spend.Prices(self._means(starts))
        self._table: Any = None

    def run(self) -> Outcome:
        """Decide about every start in its order."""
        from django_verify.fraud import guard

        with (
            mock.patch.object(guard.sightings, "current", self._sightings),
            mock.patch.object(guard.trips, "close", self._close),
            mock.patch.object(guard.trips, "lift", self._lift),
            mock.patch.object(guard.table, "forget", self._reread),
            mock.patch.object(guard, "is_known", self._is_known),
        ):
            for number, start in enumerate(self.starts):
                self.now = BEGIN + dt.timedelta(seconds=start.at - self._first)
                why = self._start(number, start)
                self.outcome.note(start, why, start.at - self._first)
        return self.outcome

    def _start(self, number: int, start: Start) -> str:
        from django_verify.fraud import guard, places
        from django_verify.fraud.asked import ALLOWED, Asked
        from django_verify.net import client_ip

        phone = self._phone(start.to)
        if phone is None:
            return NOT_TAKEN
        block = places.block_of(self.service.account_id, phone.key)
        asked = Asked(
            service=self.service,
            to=phone.number,
            key=phone.key,
            country=phone.region,
            number_type=phone.type,
            channel=start.channel,
            network=client_ip.network_of(start.ip),
            device_id=start.device,
            block=block,
            latest_place=self._places.get(block),
        )
        known = self._known()
        found = guard.review(asked, ALLOWED, known, self.now, vouched=False)
        if found.refused is not None:
            return str(found.cause)
        if self._take(found.counts):
            return guard.cold(asked).cause
        if found.room:
            self._take_place(asked, found.room)
        at = self.now.timestamp()
        verification, began = self._pending.get(phone.key, ("", 0.0))
        if not verification or at - began > _LIFETIME:
            verification = f"VE{number}"
            self._pending[phone.key] = verification, at
        from django_verify.fraud.tallies import Sent

        sent = Sent(
            verification,
            at,
            phone.key,
            phone.region,
            start.channel,
            found.marks["network"],
            found.marks["device"],
        )
        heapq.heappush(self._new, (at, f"s{number:09d}", sent))
        if start.converts_after is not None:
            due = at + start.converts_after
            heapq.heappush(
                self._new, (due, f"c{number:09d}", (verification, phone.key, began or at))
            )
        if not start.delivered:
            heapq.heappush(self._new, (at + _REPORT, f"u{number:09d}", verification))
        return ""

    def _sightings(self, now: dt.datetime, price_of: Any, examine: Any) -> Any:
        """Learn of what has happened, as a process that reads every two seconds."""
        if self._read_at is not None and (now - self._read_at).total_seconds() < 2:
            return self._seen
        self._read_at, moment, ledger = now, now.timestamp(), self._ledger
        while self._new and self._new[0][0] <= moment:
            at, kind, event = heapq.heappop(self._new)
            ledger.advance(at)
            if kind[0] == "s":
                ledger.sent(event)
            elif kind[0] == "u":
                ledger.undelivered(event, at)
            else:
                self._convert(*event, at)
        ledger.advance(moment)
        examine(self._seen)
        return self._seen

    def _convert(self, verification: str, number: str, began: float, at: float) -> None:
        pending = self._pending.get(number)
        if pending is None or pending[0] != verification or at - pending[1] > _LIFETIME:
            return
        del self._pending[number]
        self._approved.add(number)
        self._ledger.converted(verification, at)

    def _is_known(self, asked: Any) -> bool:
        wish = self._ledger.of_number(asked.key)
        if wish is not None and wish.converted_at is None and wish.sends >= 3:
            return False
        return asked.key in self._approved

    def _close(
        self, account: str, level: str, state: str, kind: str, key: str, reason: str, now: Any
    ) -> bool:
        from django_verify.fraud import bars
        from django_verify.fraud.trips import Trip

        slot = self._slots.setdefault((account, f"{level} {state}"), {})
        old = slot.get(key)
        if old is not None and old.is_open(now):
            return False
        times = self._times.get(f"{state} {key}", (0, now))
        number = times[0] if old is not None and now - (old.ends_at or now) < bars.WEEK else 0
        slot[key] = Trip(reason, now + bars.length(number))
        self._times[f"{state} {key}"] = number + 1, now
        # A process that has no settings reads them: no enumeration of a model.
        self.outcome.trips.append((now.timestamp() - BEGIN.timestamp(), str(state), key, reason))
        return True

    def _lift(self, account: str, slot: str, key: str, now: Any) -> bool:
        from django_verify.fraud.trips import Trip

        rows = self._slots.get((account, slot), {})
        if key not in rows or not rows[key].is_open(now):
            return False
        rows[key] = Trip(rows[key].reason, now)
        self.outcome.trips.append((now.timestamp() - BEGIN.timestamp(), "lifted", key, ""))
        return True

    def _take(self, counts: Any) -> str:
        """Return the first bucket without room; count in all of them where each has."""
        at, levels = self.now.timestamp(), {}
        for count in sorted(counts):
            level, since = self._buckets.get(count.key, (0.0, at))
            level = max(0.0, level - (at - since) * count.drain)
            if level + count.cost > count.room:
                return str(count.key)
            levels[count.key] = level + count.cost, at
        self._buckets.update(levels)
        return ""

    def _take_place(self, asked: Any, room: float) -> None:
        from django_verify.db.queries import Place
        from django_verify.fraud import places

        columns: Any = places.take(
            asked.block, asked.latest_place, room, self.now, tries=0, salt="0" * 8
        )
        taken = columns["guard_place"], columns["guard_level"], self.now
        self._places[asked.block] = Place(*taken)

    def _phone(self, number: str) -> Any:
        from django_verify.contact import phones

        if number not in self._phones:
            try:
                self._phones[number] = phones.parse(number)
            except ValueError:
                self._phones[number] = None
        return self._phones[number]

    def _price(self, country: str, channel: str) -> float:
        return self._prices.of(country, channel)

    def _means(self, starts: Sequence[Start]) -> dict[tuple[str, str, str], float]:
        sums: dict[tuple[str, str, str], list[float]] = {}
        for start in starts:
            phone = self._phone(start.to)
            if phone is not None:
                found = sums.setdefault((phone.region, start.channel, ""), [0.0, 0])
                found[0] += start.price
                found[1] += 1
        return {key: total / number for key, (total, number) in sums.items()}

    def _known(self) -> Any:
        """Return the risk table, which the start that closes something has read before."""
        from django_verify.fraud.trips import Trips

        if self._table is None:
            slots = {name: dict(rows) for name, rows in self._slots.items()}
            self._table = SimpleNamespace(
                prices=self._prices, caps={}, trips=Trips(slots), levels={}
            )
        return self._table

    def _reread(self) -> None:
        self._table = None
