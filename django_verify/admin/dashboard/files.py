"""The files of the dashboard: each table in full, and the attempts of a period one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from django.db.models import Q
from django.http import Http404
from django.utils import timezone

from django_verify import logs, sids
from django_verify.admin.dashboard.periods import Asked
from django_verify.admin.dashboard.sheet import DIMENSIONS, Sheet
from django_verify.admin.dashboard.tables import Names
from django_verify.contact import phones
from django_verify.db import queries
from django_verify.messages import channels
from django_verify.models import VerificationAttempt
from django_verify.models.rollups import begin_of
from django_verify.rollups import Figures, blocks
from django_verify.rollups.counting import BOUNDS, MILLION, TIMES

#: Rows that are read at once for the file of attempts.
BATCH = 2000

_HEADS = (
    *("starts", "sent", "delivered", "approved", "conversion", "conversion before"),
    *("median seconds", "p95 seconds", "spend", "spend per approval"),
)
ATTEMPT_COLUMNS = (
    *("time", "attempt", "verification", "service", "recipient", "country", "channel", "locale"),
    *("template", "message status", "sender", "provider message id", "error code", "error"),
    *("messages", "price", "currency", "verification status", "approved"),
)
_Lines = Iterable[Mapping[str, str]]


def of_table(table: str, sheet: Sheet) -> tuple[Sequence[str], _Lines]:
    """Return columns and lines of a table's file. Raises Http404."""
    if table in DIMENSIONS:
        return (table, "name", *_HEADS), _dimension(table, sheet)
    if table == "time":
        return ("begin", *_HEADS[:5], "spend", "verifications approved"), _over_time(sheet)
    if table == "waiting":
        return ("seconds at most", "verifications approved"), _waiting(sheet)
    if table == "blocks":
        return ("cause", "outcome", "starts", "price"), _blocks(sheet)
    raise Http404


def _dimension(dimension: str, sheet: Sheet) -> Iterator[Mapping[str, str]]:
    names = Names()
    for value, found, before in sheet.by(dimension):
        texts = _texts(found)
        texts["conversion before"] = _number(before.conversion)
        yield {dimension: value or "", "name": names.of(dimension, value), **texts}


def _over_time(sheet: Sheet) -> Iterator[Mapping[str, str]]:
    now, _before = sheet.over_time()
    for span, found in zip(sheet.asked.spans, now, strict=True):
        begin = timezone.localtime(begin_of(span.first)).isoformat(timespec="minutes")
        approved = {"verifications approved": str(found.approved)}
        yield {"begin": begin, **_texts(found), **approved}


def _waiting(sheet: Sheet) -> Iterator[Mapping[str, str]]:
    for bound, name in zip(BOUNDS, TIMES, strict=True):
        count = getattr(sheet.total, name)
        yield {"seconds at most": str(bound), "verifications approved": str(count)}


def _blocks(sheet: Sheet) -> Iterator[Mapping[str, str]]:
    found = blocks(sheet.now.period, sheet.asked.filters)
    for (cause, outcome), (starts, price) in sorted(found.items()):
        yield {
            "cause": cause,
            "outcome": outcome,
            "starts": str(starts),
            "price": f"{price / MILLION:.6f}",
        }


def _texts(found: Figures) -> dict[str, str]:
    """Return figures as a file has them: plain numbers, nothing where there is none."""
    return {
        "starts": str(found.starts),
        "sent": str(found.sent),
        "delivered": str(found.delivered),
        "approved": str(found.converted),
        "conversion": _number(found.conversion),
        "median seconds": _number(found.seconds(0.5)),
        "p95 seconds": _number(found.seconds(0.95)),
        "spend": f"{found.cost:.6f}",
        "spend per approval": _number(found.cost_per_approval),
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def attempts(asked: Asked, full: bool, counted: Q) -> Iterator[Mapping[str, str]]:
    """Yield the attempts of a period that are counted, the oldest first, a batch at a time."""
    rows = queries.attempts().filter(verification__is_test=False, **asked.filters.of_rows())
    rows = rows.filter(counted)
    rows = rows.filter(sid__lt=sids.first_of_hour("VL", asked.end)).order_by("sid")
    after = {"sid__gte": sids.first_of_hour("VL", asked.first)}
    while True:
        batch = list(rows.filter(**after).select_related("verification__service")[:BATCH])
        for row in batch:
            yield _attempt(row, full)
        if len(batch) < BATCH:
            return
        after = {"sid__gt": batch[-1].sid}


def _attempt(row: VerificationAttempt, full: bool) -> dict[str, str]:
    of = row.verification
    return {
        "time": sids.moment_of(row.sid).isoformat(timespec="seconds"),
        "attempt": row.sid,
        "verification": of.sid,
        "service": of.service.friendly_name if of.service else "",
        "recipient": of.to if full else channels.mask(of.to),
        "country": of.country,
        "channel": row.channel,
        "locale": row.template.get("locale") or row.locale,
        "template": row.template.get("sid", ""),
        "message status": row.message_status,
        "sender": row.sender,
        "provider message id": row.provider_sid if full else phones.mask_within(row.provider_sid),
        "error code": row.error_code,
        "error": row.error_message if full else logs.without_numbers(row.error_message),
        "messages": str(row.messages),
        "price": row.price_value,
        "currency": row.price_currency,
        "verification status": of.current_status(timezone.now()),
        "approved": "yes" if of.valid else "no",
    }
