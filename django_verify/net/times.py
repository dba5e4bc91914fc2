"""Times as HTTP and its bodies write them: timestamps, whole seconds, `Retry-After`.

Where an error's `retry_after` becomes a header is in `exceptions`.
"""

from __future__ import annotations

import datetime as dt
import math
import time

from django.utils.http import parse_http_date_safe

DAY = 86_400


def timestamp(moment: dt.datetime) -> str:
    """Return a moment in UTC with whole seconds and `Z`, whatever the host's settings say."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def whole_seconds(left: float) -> int:
    """Return the seconds to wait, at least one: never too few."""
    return max(math.ceil(left), 1)


def seconds_until(moment: dt.datetime, now: dt.datetime) -> int:
    """Return the whole seconds until a moment, at least one."""
    return whole_seconds((moment - now).total_seconds())


def read_retry_after(header: str | None, most: int = DAY) -> int | None:
    """Return the seconds that a `Retry-After` header asks for, at most `most`; None for none.

    The header holds them as such, or as the date when they are over.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        # int() raises for thousands of digits, and nine are more than any `most`.
        return min(int(text[:9]), most)
    moment = parse_http_date_safe(text)
    return None if moment is None else min(max(moment - int(time.time()), 0), most)
