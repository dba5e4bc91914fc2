"""Geo permissions: what is done with the numbers of a country, by channel.

A country is libphonenumber's region and never a calling code, which several countries may share.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from django_verify.fraud.rows import Row, Source, columns
from django_verify.models import GeoPermission
from django_verify.models.fraud import ELSEWHERE, EVERY_CHANNEL

ALLOW, MONITOR, BLOCK = GeoPermission.Action

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Permissions:
    """All permissions, by the SID they hold for, the country and the channel."""

    actions: Mapping[Key, str]

    def action(self, account_sid: str, service_sid: str, country: str, channel: str) -> str:
        """Return what is done with a country: a service's own row comes before its account's.

        Within each a country comes before all others, and a channel before every channel.
        """
        if not self.actions:
            return ALLOW
        for scope in (service_sid, account_sid):
            for region in (country, ELSEWHERE):
                for name in (channel, EVERY_CHANNEL):
                    if found := self.actions.get((scope, region, name)):
                        return found
        return ALLOW


def build(rows: Sequence[Row]) -> Permissions:
    """Return the permissions of the table's rows."""
    return Permissions({(_scope(row), row.key, row.channels): row.value for row in rows})


def _scope(row: Row) -> str:
    return GeoPermission.scope_of(row.account_sid or "", row.service_sid)


def _select(using: str, now: dt.datetime) -> QuerySet[Any, Any]:
    return columns(
        SOURCE.name,
        GeoPermission.objects.using(using),
        account_sid="account_id",
        service_sid="service_id",
        key="country",
        channels="channel",
        value="action",
    )


SOURCE = Source("geo", _select, build)
