"""An operator's rules for ranges of numbers: the longest prefix wins."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from django_verify.fraud.rows import Row, Source, columns
from django_verify.models import PrefixRule

ALLOW, BLOCK = PrefixRule.Action.ALLOW, PrefixRule.Action.BLOCK


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as a process knows it; `account_sid` is empty for every account."""

    prefix: str
    action: str
    account_sid: str
    channels: frozenset[str]
    ends_at: dt.datetime | None

    def is_about(self, account_sid: str, channel: str, now: dt.datetime) -> bool:
        """Whether the rule holds for an account and a channel."""
        return (
            self.account_sid in {"", account_sid}
            and (not self.channels or channel in self.channels)
            and (self.ends_at is None or now < self.ends_at)
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, by their prefix."""

    by_prefix: Mapping[str, Sequence[Rule]]
    longest: int
    any_block: bool

    def match(
        self, account_sid: str, numbers: Sequence[str], channel: str, now: dt.datetime
    ) -> Rule | None:
        """Return the rule that decides about a number, which is given in its spellings.

        Of two with the same prefix the account's own comes before everyone's, one that names the
        channel before one for every channel, and a block before an allowance.
        """
        if not self.by_prefix:
            return None
        for length in range(self.longest, 1, -1):
            for number in numbers:
                for rule in self.by_prefix.get(number[:length], ()):
                    if rule.is_about(account_sid, channel, now):
                        return rule
        return None

    def opens(self, number: str, now: dt.datetime) -> bool:
        """Whether any account's rule lets a number pass that no numbering plan has."""
        return any(
            rule.action == ALLOW and (rule.ends_at is None or now < rule.ends_at)
            for length in range(2, self.longest + 1)
            for rule in self.by_prefix.get(number[:length], ())
        )

    def opened(self, account_sid: str, channel: str, now: dt.datetime) -> list[str]:
        """Return the prefixes that an account may send to by a channel, whatever else holds."""
        return [
            prefix
            for prefix, same in self.by_prefix.items()
            for rule in same
            if rule.action == ALLOW and rule.is_about(account_sid, channel, now)
        ]


def build(rows: Sequence[Row]) -> Rules:
    """Return the rules of the table's rows."""
    found: dict[str, list[Rule]] = {}
    for row in rows:
        channels = frozenset(row.channels.split())
        rule = Rule(row.key, row.value, row.account_sid or "", channels, row.ends_at)
        found.setdefault(rule.prefix, []).append(rule)
    for same in found.values():
        same.sort(key=_rank)
    any_block = any(row.value == BLOCK for row in rows)
    return Rules(found, max(map(len, found), default=0), any_block)


def _rank(rule: Rule) -> tuple[bool, bool, bool]:
    return (not rule.account_sid, not rule.channels, rule.action != BLOCK)


def _select(using: str, now: dt.datetime) -> QuerySet[Any, Any]:
    live = PrefixRule.objects.using(using).filter(Q(ends_at=None) | Q(ends_at__gt=now))
    return columns(
        SOURCE.name,
        live,
        account_sid="account_id",
        key="prefix",
        channels="channels",
        value="action",
        ends_at="ends_at",
    )


SOURCE = Source("rules", _select, build)
