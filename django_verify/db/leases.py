"""Rows that hold work: claimed under a lease by one process, then finished, put off or given back.

Such a row has a token, `lease`, of the process that works on it, and `due_at`, when it is to be
looked at next: to be worked on, or to be claimed again because its process has died. No transaction
is open meanwhile. What the work is, and when it is looked for, is not decided here.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from django.db import router
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.utils import timezone

from django_verify.db import reconnect, retry
from django_verify.db.statements import Rows
from django_verify.logs import logger

Result = TypeVar("Result")


def assign(row: Any, changes: Mapping[str, object]) -> None:
    """Give a row in memory the values that were written, or are about to be."""
    for name, value in changes.items():
        setattr(row, name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """How the rows of one model are leased, and the verbs for it.

    `waits` are the seconds from the first
    try to the second and so on; each is made longer by up to the fraction `jitter`. No wait is as
    long as `far`. An outcome waits `patience` seconds for a database that has gone.

    `waiting` and `working` are the values of `status` before a claim and after it; a model
    without such a column has the name "". Rows in one of the states `late` are due by their time
    too, though they neither wait nor are worked on. `counted` names the columns that change while
    lease and time stay.
    """

    model: type[Model]
    seconds: Callable[[], float]
    waits: tuple[int, ...]
    far: int
    jitter: float = 0.0
    patience: float = 3.0
    status: str = "status"
    waiting: str = "pending"
    working: str = "sending"
    late: tuple[str, ...] = ()
    counted: tuple[str, ...] = ("tries",)

    def rows(self) -> QuerySet[Any]:
        """Return all rows, in no order."""
        return self.model._default_manager.using(self._database()).order_by()  # noqa: SLF001

    def leased(self, now: dt.datetime) -> dict[str, Any]:
        """Return the fields that make the caller the one who works on a row from now on."""
        until = now + dt.timedelta(seconds=self.seconds())
        # Drawn for each claim: a process that comes back after its lease has lapsed must not take a
        # later claim, perhaps another thread's of its own, for the one it had.
        lease = {"lease": secrets.token_hex(16), "due_at": until}
        return lease | ({self.status: self.working} if self.status else {})

    def due(self, now: dt.datetime, path: str = "") -> Q:
        """Return the condition of the rows that are due, or of what refers to them by `path`.

        A time that no wait and no lease reaches is of a clock that has gone back.
        """
        time = f"{path}due_at"
        far = now + dt.timedelta(seconds=self.far + self.seconds())
        early, astray = Q((f"{time}__lte", now)), Q((f"{time}__gt", far))
        if self.status:
            states = (self.waiting, self.working)
            early &= Q((f"{path}{self.status}__in", (*states, *self.late)))
            astray &= Q((f"{path}{self.status}__in", states))
        # Most rows may have no time, and no plan of a database may walk through them.
        return (early | astray) & Q((f"{time}__isnull", False))

    def unchanged(self, row: Any) -> Rows[Any]:
        """Return the row, if it is still as it was read."""
        names = ("pk", "lease", "due_at", self.status, *self.counted)
        return self._rows(**{name: getattr(row, name) for name in names if name})

    def held(self, row: Any) -> Rows[Any]:
        """Return the row, if it is being worked on and the lease is still the caller's."""
        working = {self.status: self.working} if self.status else {}
        # What is free is nobody's.
        return self._rows(pk=row.pk, lease=row.lease or None, **working)

    def _rows(self, **conditions: Any) -> Rows[Any]:
        return Rows(self.model, self._database(), conditions)

    def _database(self) -> str:
        return router.db_for_write(self.model)

    def claim(
        self, row: Any, now: dt.datetime, *conditions: Combinable | Q, **changes: Any
    ) -> dict[str, Any] | None:
        """Lease a row to the caller; return what it was before, for `give_back`.

        None: another process was faster, or the conditions do not hold. Of any number of callers
        that have read the same row, one claims it.
        """
        changes = {**self.leased(now), **changes}
        before = {name: getattr(row, name) for name in changes}
        # One conditional UPDATE decides, without a transaction; SELECT … FOR UPDATE would hold one
        # open, and SQLite has no such locks.
        unchanged = self.unchanged(row)
        try:
            claimed = unchanged.filter(*conditions).update(**changes)
        except reconnect.FAILURES as error:
            if retry.is_deadlock(error):
                return None  # it gave way to another process that works on the row
            # It may have been claimed, and only the answer lost.
            assign(row, changes)
            self.give_back(row, before)
            raise
        if not claimed:
            return None
        assign(row, changes)
        return before

    def renew(self, row: Any, *conditions: Combinable | Q) -> bool:
        """Extend the lease, if it is still the caller's and the conditions hold."""
        until = timezone.now() + dt.timedelta(seconds=self.seconds())
        return self.held(row).filter(*conditions).update(due_at=until) > 0

    def give_back(self, row: Any, before: Mapping[str, Any]) -> None:
        """Make a claimed row due again, as if nobody had claimed it."""
        # Due rows are taken in the order of this time, so one that is given back keeps its place.
        freed = {"lease": "", "due_at": min(before["due_at"], timezone.now())}
        self.persist(partial(self.held(row).update, **{**before, **freed}))

    def finish(
        self,
        row: Any,
        changes: Mapping[str, object],
        update: Callable[[Rows[Any], Mapping[str, object]], int] | None = None,
    ) -> bool:
        """Write the outcome and end the lease; False where the lease is no longer the caller's.

        The row is settled, or with a `due_at` among the changes it is due again then. `update`
        runs the conditional update, where something else belongs into its transaction.
        """
        changes = {"lease": "", "due_at": None, **changes}
        held = self.held(row)
        write = partial(update, held, changes) if update else partial(held.update, **changes)
        if not self.persist(write):
            return False
        assign(row, changes)
        return True

    def persist(self, write: Callable[[], Result]) -> Result:
        """Run a write that may be repeated, on a new connection where its own has died."""
        return reconnect.persist(write, using=self._database(), patience=self.patience)

    def later(self, tries: int, at_least: int = 0) -> dt.datetime:
        """Return when a row is due again after so many tries, and `at_least` seconds from now."""
        wait = self.waits[min(max(tries, 1), len(self.waits)) - 1]
        # What has failed together must not come back together.
        chance = 1 + self.jitter * secrets.randbelow(1001) / 1000
        return timezone.now() + dt.timedelta(seconds=max(wait, at_least) * chance)

    def deliver_due(
        self, deliver: Callable[[str], bool], limit: int, stop: Callable[[], bool]
    ) -> int:
        """Have due rows delivered by their keys, the longest waiting first; return how many were.

        A row that raises is put off and stops nobody; only a database that fails is raised.
        """
        due = self.rows().filter(self.due(timezone.now())).order_by("due_at", "pk")
        delivered = 0
        # Keys alone: other processes deliver at the same time, so each row is read when its turn
        # comes.
        for pk in list(due.values_list("pk", flat=True)[:limit]):
            if stop():
                break
            try:
                delivered += deliver(pk)
            except reconnect.FAILURES:
                raise
            except Exception as error:  # noqa: BLE001 - one row must not stop the others
                # The text of an error may hold the row.
                logger.error("%s was put off: %s", pk, type(error).__name__)
                # By the longest wait, or a row that always raises would stand at the head of each
                # pass. One that was settled before it raised has no time any more and gets none.
                due_at = timezone.now() + dt.timedelta(seconds=self.waits[-1])
                self.rows().filter(pk=pk, due_at__isnull=False).update(due_at=due_at)
        return delivered
