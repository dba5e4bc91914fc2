"""The clock of tests: moves what `django.utils.timezone.now` answers, and so every verb's time.

Code that asks `time.time` or `datetime` by itself is not moved; a library that moves those, such as
time-machine, moves this clock as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

#: Where a clock may be; beyond, what is to come or was before has no date.
EARLIEST = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
LATEST = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)


class _AnyDatetime(type):
    """Has the class mean in Django's module what `datetime` did there, but for `now`.

    It is no subclass: freezegun's `datetime` has a metaclass of its own.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> dt.datetime:
        return dt.datetime(*args, **kwargs)  # noqa: DTZ001 - as the site calls it

    def __getattr__(cls, name: str) -> Any:
        return getattr(dt.datetime, name)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, dt.datetime)


class Clock:
    """A clock that runs, and may be moved either way.

    The functions in `on_move` are called after each move.
    """

    def __init__(self) -> None:
        self.offset = dt.timedelta(0)
        self.on_move: list[Callable[[], object]] = []

    @property
    def now(self) -> dt.datetime:
        """The moment that verbs go by, in UTC."""
        return dt.datetime.now(dt.UTC) + self.offset

    def shift(self, seconds: float = 0, **units: float) -> dt.datetime:
        """Move on by seconds, and by `minutes`, `hours` or `days`; return the moment.

        Raises OverflowError for one that is out of reach.
        """
        return self._move(self.offset + dt.timedelta(seconds=seconds, **units))

    def move_to(self, moment: dt.datetime) -> dt.datetime:
        """Move to an aware moment, from which time goes on; return it.

        Raises ValueError, and OverflowError for one that is out of reach.
        """
        if moment.tzinfo is None:
            raise ValueError("the moment needs a time zone")
        return self._move(moment - dt.datetime.now(dt.UTC))

    def reset(self) -> dt.datetime:
        """Move back to the time as it is; return it."""
        return self._move(dt.timedelta(0))

    def _move(self, offset: dt.timedelta) -> dt.datetime:
        now = dt.datetime.now(dt.UTC)
        if not EARLIEST - now <= offset <= LATEST - now:
            raise OverflowError(f"the moment is before {EARLIEST.year} or after {LATEST.year}")
        self.offset = offset
        for call in self.on_move:
            call()
        return self.now

    @contextmanager
    def running(self) -> Iterator[Clock]:
        """Have Django go by this clock in a block."""
        clock = self

        class Moved(metaclass=_AnyDatetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> Any:
                return dt.datetime.now(tz) + clock.offset

        # The module's own name and not `timezone.now`: the defaults of models hold that function.
        module: Any = timezone
        kept, module.datetime = module.datetime, Moved
        try:
            yield self
        finally:
            module.datetime = kept
