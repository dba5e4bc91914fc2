"""The guard's decisions as rows, and the counts that may turn a start down as it is written."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial

from django.db import transaction
from django.utils import timezone

from django_verify import conf, signals
from django_verify.db import queries
from django_verify.db.queries import Place
from django_verify.events import cloudevents
from django_verify.exceptions import FraudBlocked
from django_verify.fraud import counts, guard, places, policies, spend, table
from django_verify.fraud.asked import Asked, Decision
from django_verify.fraud.guard import Finding
from django_verify.fraud.spend import Cap
from django_verify.models import GuardDecision, VerificationAttempt

_BLOCKED = VerificationAttempt.Withheld.BLOCKED
_Outcome = GuardDecision.Outcome
# What the column takes: a wrong rate of a currency must not fail the starts that are refused.
_MOST = 999_999.0


def settle(asked: Asked, found: Decision) -> Decision:
    """Return a decision as its caller may see it, and write it down where it is against the start.

    Where the guard only records, the start goes on; a client learns nothing of a block for fraud.
    """
    if found.refused is None:
        return found
    is_fraud = isinstance(found.refused, FraudBlocked)
    by_evidence = is_fraud and found.cause not in {"rule", policies.CAUSE}
    if by_evidence and (found.monitored or guard.records_only(asked.service)):
        marks = {**found.marks, "guard": guard.RECORDED}
        # It counts in the caps alone, as one that is refused counts nowhere else: what is recorded
        # of others would be another decision.
        caps = [count for count in found.counts if count.key.startswith(spend.KIND)]
        found = replace(found, refused=None, recorded=True, marks=marks, counts=caps, room=0.0)
    elif is_fraud and asked.is_client and not conf.current().SHOW_FRAUD_BLOCKS:
        found = replace(found, refused=None, withheld=True)
    _write(asked, found)
    return found


def charge(
    attempt: VerificationAttempt, latest: Place | None, now: dt.datetime, tries: int
) -> dict[str, object]:
    """Count a start that is being written, in the transaction that writes it.

    Return the columns by which its verification takes a place in the number's block, whose latest
    one is `latest`; `tries` is how often the start has lost it. Raises the refusal of a block, a
    new country or a cap that has no room; a caller that must not learn of it has its message
    withheld. Call `record` where it has undone the transaction.
    """
    asked, found = attempt.asked, attempt.decision
    if attempt.turned_down:  # by a try that was undone, with its decision
        attempt.turned_down, attempt.withheld = False, ""
        attempt.guard = ""
    if asked is None or found is None:
        return {}
    if attempt.withheld:
        if asked.is_client and attempt.withheld == _BLOCKED and asked.channel != "sna":
            _refuse_where_full(asked, found, now)
        return {}
    place: dict[str, object] = {}
    if asked.block is not None and found.room:
        full = guard.burst(asked, latest, found.room, now)
        if full is None:
            salt = attempt.sid
            place = places.take(asked.block, latest, found.room, now, tries=tries, salt=salt)
        elif not (found.recorded or guard.passes(asked) or _refuse(attempt, found, full)):
            return {}
    if found.counts and not _count(attempt, asked, found, now):
        return {}
    return {} if attempt.turned_down else place


def _count(attempt: VerificationAttempt, asked: Asked, found: Decision, now: dt.datetime) -> bool:
    """Count a start in the caps, and in its country while that is new.

    Return whether its message leaves.
    """
    prices = [count.cost for count in found.counts if count.key.startswith(spend.KIND)]
    mine = guard.caps_of(table.current(), asked.service) if prices else []
    caps: dict[str, Cap] = {cap.key(now): cap for cap in mine}
    # Anew: since the decision a period may have ended, or an operator have changed a cap.
    counted = spend.counts_of(mine, prices[0], now) if prices else []
    counted += [count for count in found.counts if not count.key.startswith(spend.KIND)]
    taken = counts.take(counted, now)
    costs = {count.key: count.cost for count in counted}
    full = sorted(key for key, (passed, _) in taken.items() if not passed)
    for key in full:
        if cap := caps.get(key):
            reason = (
                f"The cap of {cap.amount:g} {conf.current().CURRENCY} a {cap.period} is reached"
            )
            attempt.overdraft = replace(
                found, cause="cap", key=key, reasons=(reason,), refused=spend.refusal(cap, now)
            )
            raise attempt.overdraft.refused
    if full and not (
        found.recorded or guard.passes(asked) or _refuse(attempt, found, guard.cold(asked))
    ):
        for key in caps.keys() & taken.keys():
            counts.give(key, -costs[key])  # nothing is sent, so nothing is spent
        return False
    for key in caps.keys() & taken.keys():
        for percent in spend.passed(caps[key], costs[key], taken[key][1]):
            spend.warn(caps[key], percent, now)
    return True


def _refuse_where_full(asked: Asked, found: Decision, now: dt.datetime) -> None:
    """Refuse what is withheld where a cap would refuse it: its client must see no difference.

    A statement for each cap. Raises TooManyRequests.
    """
    known = table.current()
    for count in guard.in_caps(asked, found, known, now):
        if counts.level(count.key) + count.cost > count.room:
            caps = guard.caps_of(known, asked.service)
            raise spend.refusal(next(cap for cap in caps if cap.key(now) == count.key), now)


def may_write(attempt: VerificationAttempt, latest: Place | None, now: dt.datetime) -> bool:
    """Whether `charge` may write rows, which have to stand and fall with the start's."""
    asked, found = attempt.asked, attempt.decision
    if asked is None or found is None:
        return False
    if found.counts:
        return True
    takes_place = asked.block is not None and bool(found.room)
    return takes_place and places.is_full(latest, found.room, now)


def record(attempt: VerificationAttempt) -> None:
    """Write down why a start was turned down as it was written, once that is undone."""
    asked, found = attempt.asked, attempt.overdraft
    if asked is None or found is None:
        return
    attempt.overdraft, now = None, timezone.now()
    for cap in guard.caps_of(table.current(), asked.service):
        if cap.key(now) == found.key:
            spend.warn(cap, 100, now)
    _write(asked, found)


def _refuse(attempt: VerificationAttempt, found: Decision, finding: Finding) -> bool:
    """Turn a start down as far as its caller may see it; return whether its message leaves."""
    asked: Asked = attempt.asked
    turned_down = guard.against(found, finding)
    settled = settle(asked, turned_down)
    if settled.refused is not None:
        attempt.overdraft = turned_down
        raise settled.refused
    attempt.turned_down = True
    attempt.guard = settled.marks.get("guard", "")
    attempt.withheld = _BLOCKED if settled.withheld else ""
    return not settled.withheld


def _write(asked: Asked, found: Decision) -> None:
    known, service = table.current(), asked.service
    outcome = _Outcome.RECORDED if found.recorded else _Outcome.REFUSED
    row = GuardDecision(
        account_id=service.account_id,
        service_id=service.sid,
        attempt_sid=asked.attempt_sid,
        recipient_key=asked.key,
        country=asked.country,
        channel=asked.channel,
        level=found.level,
        cause=found.cause,
        key=found.key[:96],
        outcome=_Outcome.WITHHELD if found.withheld else outcome,
        reason="; ".join(found.reasons),
        price=min(_MOST, known.prices.of(asked.country, asked.channel, asked.sender)),
    )
    using = queries.database()
    row.save(using=using, force_insert=True)
    if service.verify_event_subscription_enabled:
        cloudevents.start_blocked(row)
    send = partial(signals.start_blocked.send_robust, sender=GuardDecision, decision=row)
    transaction.on_commit(send, using=using)
