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


def page(
    rows: QuerySet[Any], order: list[str], token: str, size: int, *, oldest_first: bool
) -> tuple[list[Any], str | None, str | None]:
    """Return a page and the tokens of the one after and the one before, None where there is none.

    A token names a direction and the row next to the page, so that rows which come and go
    between two calls neither repeat nor hide others. `order` is that of the oldest first.
    """
    backwards, moment, sid = _read_token(token)
    ascending = backwards != oldest_first
    if moment is not None:
        compare = "gt" if ascending else "lt"
        try:
            rows.model._meta.pk.to_python(sid)  # noqa: SLF001 - a documented API
        except ValidationError:
            raise InvalidParameter("PageToken", "not a token of this list") from None
        beyond = Q(**{f"pk__{compare}": sid})
        if "date_created" in order:
            beyond &= Q(date_created=moment)
            beyond |= Q(**{f"date_created__{compare}": moment})
        rows = rows.filter(beyond)
    sign = "" if ascending else "-"
    # One more than the page has shows whether another follows, without a COUNT.
    found = list(rows.order_by(*(sign + name for name in order))[: size + 1])
    more = len(found) > size
    rows_here = found[:size]
    if backwards:
        rows_here.reverse()
    if not rows_here:
        return [], None, None
    after = _token("PA", rows_here[-1]) if more or backwards else None
    before = _token("PB", rows_here[0]) if moment is not None and (more or not backwards) else None
    return rows_here, after, before


def _token(direction: str, row: Any) -> str:
    text = f"{row.date_created.astimezone(dt.UTC).isoformat()}|{row.pk}"
    return direction + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[bool, dt.datetime | None, str]:
    if not token:
        return False, None, ""
    try:
        direction, encoded = token[:2], token[2:]
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True).decode()
        iso, _, sid = text.partition("|")
        moment = dt.datetime.fromisoformat(iso).astimezone(dt.UTC)
    except (ValueError, OverflowError, binascii.Error):
        raise InvalidParameter("PageToken", "not a token of this list") from None
    if direction not in {"PA", "PB"} or not (sid.isascii() and sid.isalnum()):
        raise InvalidParameter("PageToken", "not a token of this list")
    return direction == "PB", conf.stored(moment), sid
