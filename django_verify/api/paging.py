"""Pages of a list: each begins beside a row that a token names, so no page counts or skips rows."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet

from django_verify import conf
from django_verify.exceptions import InvalidParameter

#: Rows that a page looks at when filters leave out some of them. A page that finds less than it may
#: hold among these is short, or empty, and names the next one all the same.
REACH = 2000


def page(
    rows: QuerySet[Any],
    order: list[str],
    token: str,
    size: int,
    *,
    oldest_first: bool,
    ground: QuerySet[Any] | None = None,
) -> tuple[list[Any], str | None, str | None]:
    """Return a page and the tokens of the one after and the one before, None where there is none.

    A token names a direction and the row next to the page, so that rows which come and go
    between two calls neither repeat nor hide others. `order` is that of the oldest first. `ground`
    are the rows that an index finds and from which filters leave `rows`, where there are any.
    """
    backwards, moment, sid = _read_token(token)
    ascending = backwards != oldest_first
    walk = order if ascending else [f"-{name}" for name in order]
    edge = None
    if moment is not None:
        beyond = _beside(rows, order, moment, sid, "gt" if ascending else "lt")
        rows, ground = rows.filter(beyond), ground if ground is None else ground.filter(beyond)
    if ground is not None:
        plain = ground.select_related(None).only("pk", "date_created")
        edge = plain.order_by(*walk)[REACH - 1 : REACH].first()
    if edge is not None:
        upto = "lte" if ascending else "gte"
        rows = rows.filter(_beside(rows, order, edge.date_created, edge.pk, upto))
    # One more than the page has shows whether another follows, without a COUNT.
    found = list(rows.order_by(*walk)[: size + 1])
    rows_here = found[:size]
    onward = back = None
    if ahead := rows_here[-1] if len(found) > size else edge:
        onward = _token("PB" if backwards else "PA", ahead.date_created, ahead.pk)
    if moment is not None:
        # From an empty page the way back leads over the row that the token names.
        behind = rows_here[0] if rows_here else edge
        place = (behind.date_created, behind.pk) if behind else (moment, _next(sid, ascending))
        back = _token("PA" if backwards else "PB", *place)
    if backwards:
        rows_here.reverse()
    return (rows_here, back, onward) if backwards else (rows_here, onward, back)


def _beside(
    rows: QuerySet[Any], order: list[str], moment: dt.datetime, sid: str, compare: str
) -> Q:
    """Return the condition of what stands on one side of a row. Raises InvalidParameter."""
    try:
        rows.model._meta.pk.to_python(sid)  # noqa: SLF001 - a documented API
    except ValidationError:
        raise InvalidParameter("PageToken", "not a token of this list") from None
    found = Q(**{f"pk__{compare}": sid})
    if "date_created" in order:
        strictly = compare[:2]
        found |= Q(**{f"date_created__{strictly}": moment})
        # Says no more than the two together, but an index answers a range and no alternative.
        found &= Q(**{f"date_created__{strictly}e": moment})
    return found


def _token(direction: str, moment: dt.datetime, sid: str) -> str:
    text = f"{moment.astimezone(dt.UTC).isoformat()}|{sid}"
    return direction + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _next(sid: str, ascending: bool) -> str:
    """Return the SID that no row stands before, on the way to the one given."""
    number = int(sid[2:], 16) + (1 if ascending else -1)
    return f"{sid[:2]}{number % 16**32:032x}"


def _read_token(token: str) -> tuple[bool, dt.datetime | None, str]:
    if not token:
        return False, None, ""
    try:
        direction, encoded = token[:2], token[2:]
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True).decode()
        iso, _, sid = text.partition("|")
        moment = conf.stored(dt.datetime.fromisoformat(iso).astimezone(dt.UTC))
    except (ValueError, OverflowError, binascii.Error):
        raise InvalidParameter("PageToken", "not a token of this list") from None
    if direction not in {"PA", "PB"} or not (sid.isascii() and sid.isalnum()):
        raise InvalidParameter("PageToken", "not a token of this list")
    return direction == "PB", moment, sid
