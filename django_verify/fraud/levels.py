"""The levels of services that do not have the site's, for callers that have no service at hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from django_verify.fraud.rows import Row, Source, columns
from django_verify.models import VerifyService


def _build(rows: Sequence[Row]) -> dict[str, str]:
    return {row.service_sid or "": row.value for row in rows}


def _select(using: str, now: dt.datetime) -> QuerySet[Any, Any]:
    chosen = VerifyService.objects.using(using).exclude(guard_level="")
    return columns(SOURCE.name, chosen, service_sid="sid", value="guard_level")


SOURCE = Source("levels", _select, _build)
