"""One verification as a story: what happened to it, step by step, and what an operator can do.

Plain data in the language of the viewer; a face shows it. Nothing here holds a recipient or a code.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from django.conf.locale import LANG_INFO
from django.db.models import QuerySet
from django.utils.timesince import timesince
from django.utils.translation import get_language, gettext, ngettext

from django_verify import conf, delivery
from django_verify.contact import countries
from django_verify.delivery import dispatch
from django_verify.delivery.attempts import MESSAGES_PER_ATTEMPT
from django_verify.messages.channels import label
from django_verify.models import (
    ClientVerification,
    GuardDecision,
    Template,
    Verification,
    VerificationAttempt,
)

#: Rows of each kind that are told at most.
MOST = 50
#: Decisions and verifications that are named beside those of the story.
RECENT = 10
#: Seconds after which a message that is due should have been taken by a worker.
OVERDUE = 60

_Message = VerificationAttempt.MessageStatus
_Status = Verification.Status
_Outcome = GuardDecision.Outcome
_Withheld = VerificationAttempt.Withheld


class State(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the story: a sentence, and where something failed a deed.

    `moment` is None where it is not kept. `facts` are names and values as they are stored, such as
    a provider's code.
    """

    state: State
    text: str
    moment: dt.datetime | None = None
    deed: str = ""
    facts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """The steps in their order, how it stands in one of them, and what else the person has had.

    `decisions` are the guard's latest about the recipient, `others` its other verifications.
    """

    steps: Sequence[Step]
    outcome: Step
    decisions: Sequence[GuardDecision] = field(repr=False)
    others: Sequence[Verification] = field(repr=False)


def tell(row: Verification, now: dt.datetime, remarks: Iterable[Step] = ()) -> Story:
    """Return the story of a verification, in at most seven statements.

    `remarks` are further steps with their moments, such as what operators have done.
    """
    attempts = list(row.attempts.order_by("sid")[:MOST])
    by_attempt = _decided(attempts)
    names = _template_names(attempts)
    steps = [_asked(row, attempts)]
    problem = None
    for number, attempt in enumerate(attempts):
        told = list(_message(attempt, number, by_attempt.get(attempt.sid), names, now))
        steps += told
        problem = told[-1] if told[-1].state == State.FAILED else None
    steps += _checks(row, now)
    end = _end(row, now)
    rows = GuardDecision.objects.filter(account_id=row.account_id, recipient_key=row.recipient_key)
    mine = Verification.objects.filter(account_id=row.account_id, recipient_key=row.recipient_key)
    return Story(
        steps=_in_order([*steps, *remarks, end]),
        outcome=problem if problem and row.status in {_Status.PENDING, _Status.EXPIRED} else end,
        decisions=list(rows[:RECENT]),
        others=list(mine.exclude(pk=row.pk).order_by("-serial")[:RECENT]),
    )


def why_not_again(attempt: VerificationAttempt, now: dt.datetime) -> str:
    """Return why `delivery.requeue` cannot send a message again; empty where it can.

    The verification and its service are read with it.
    """
    row = attempt.verification
    status = row.current_status(now)
    if attempt.withheld == _Withheld.TEST:
        return gettext("It is a test number's: nothing is sent to it.")
    if attempt.message_status in {_Message.QUEUED, _Message.SENDING} or attempt.due_at:
        return gettext("It is on its way already.")
    if attempt.message_status != _Message.FAILED:
        reason = gettext("It has not failed: its status is “%(status)s”.")
        return reason % {"status": attempt.get_message_status_display()}
    if status != _Status.PENDING:
        return gettext("Its verification is over: the person asks for a new code.")
    if row.service is None:
        return gettext("Its service was deleted.")
    if attempt.sender_test:
        return gettext("It was a test of one sender, which is sent once.")
    if attempt.messages >= MESSAGES_PER_ATTEMPT:
        return gettext("Two messages may have left already, and no third one may.")
    return ""


def duration(seconds: float) -> str:
    """Return how long something took, to the second below a minute."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return ngettext("%(count)d second", "%(count)d seconds", whole) % {"count": whole}
    start = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    return timesince(start, start + dt.timedelta(seconds=whole))


def _decided(attempts: Sequence[VerificationAttempt]) -> dict[str, GuardDecision]:
    sids = [attempt.sid for attempt in attempts]
    return {row.attempt_sid: row for row in GuardDecision.objects.filter(attempt_sid__in=sids)}


def _template_names(attempts: Sequence[VerificationAttempt]) -> dict[str, str]:
    sids = {attempt.template["sid"] for attempt in attempts if attempt.template}
    rows: QuerySet[Template] = (
        Template.objects.filter(pk__in=sids) if sids else Template.objects.none()
    )
    return dict(rows.values_list("pk", "friendly_name"))


def _in_order(steps: Sequence[Step]) -> list[Step]:
    """Return the steps by their moments; one without a moment stays behind the one before it."""
    moment, placed = None, []
    for step in steps:
        moment = step.moment or moment
        placed.append((moment, step))
    # The sort is stable: steps of one moment stay as they were told.
    return [step for _, step in sorted(placed, key=lambda pair: _seconds(pair[0]))]


def _seconds(moment: dt.datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def _asked(row: Verification, attempts: Sequence[VerificationAttempt]) -> Step:
    """Return from where it was asked for, as far as that is kept."""
    client = ClientVerification.objects.filter(pk=row.client).first() if row.client else None
    text = gettext("Asked for by your backend, over the API or in Python.")
    if row.client:
        text = gettext("Asked for by an app or a page, on an unknown device.")
    if row.recognized:
        text = gettext("Asked for by an app or a page, on a device that is known.")
    facts = [(gettext("Service"), str(row.service or "-"))]
    if row.country:
        facts.append((gettext("Country"), countries.name(row.country, get_language() or "en")))
    if client is not None:
        facts.append((gettext("Purpose"), client.purpose))
    for attempt in attempts[:1]:
        if attempt.network:
            facts.append((gettext("Caller's network (digest)"), attempt.network))
        if attempt.device:
            facts.append((gettext("Caller's device (digest)"), attempt.device))
    moment = min([row.date_created, *(attempt.date_created for attempt in attempts[:1])])
    return Step(State.DONE, text, moment, facts=facts)


def _message(
    attempt: VerificationAttempt,
    number: int,
    decision: GuardDecision | None,
    names: Mapping[str, str],
    now: dt.datetime,
) -> Iterator[Step]:
    """Yield what became of one message: guarded, composed, handed over, arrived."""
    if number:
        yield Step(State.NOTE, gettext("Asked for once more."), attempt.date_created)
    guarded = _guarded(attempt, decision)
    if guarded is not None:
        yield guarded
    if attempt.withheld:
        if guarded is None or guarded.state != State.FAILED:
            yield _withheld(attempt)
        return
    if attempt.channel == "sna":
        yield _silent(attempt)
        return
    yield _composed(attempt, names)
    yield from _handed_over(attempt)
    yield from _became(attempt, now)


def _guarded(attempt: VerificationAttempt, decision: GuardDecision | None) -> Step | None:
    """Return what the guard made of it; nothing where it was not asked."""
    if decision is None:
        if attempt.channel == "email" or attempt.withheld:
            return None
        text = gettext("The guard had nothing against it.")
        return Step(State.DONE, text, attempt.date_created)
    values = {"reason": decision.reason}
    facts = [(gettext("Guard level"), decision.level)] if decision.level else []
    if decision.outcome == _Outcome.RECORDED:
        text = gettext("The guard would have refused it, and only recorded it: %(reason)s.")
        return Step(State.NOTE, text % values, attempt.date_created, facts=facts)
    text = gettext("The guard did not send it: %(reason)s. The caller was not told.")
    deed = gettext(
        "If the person is genuine, put the number on the safe list, or open what is closed under"
        " “Closed ranges”."
    )
    return Step(State.FAILED, text % values, attempt.date_created, deed, facts)


def _withheld(attempt: VerificationAttempt) -> Step:
    if attempt.withheld == _Withheld.TEST:
        text = gettext("A test number: nothing is sent, and its fixed code is entered.")
        return Step(State.NOTE, text, attempt.date_created)
    text = gettext(
        "The message was withheld by your site or by the guard. The caller was not told."
    )
    deed = gettext("Look at the blocked starts, and at your site's own rules.")
    return Step(State.FAILED, text, attempt.date_created, deed)


def _silent(attempt: VerificationAttempt) -> Step:
    """Return how far the carrier has confirmed a number, for which no message is sent."""
    if attempt.sna_error_code is None:
        text = gettext("The phone was to open its carrier's page. It has not done so yet.")
        return Step(State.WAITING, text, attempt.date_created)
    facts = [(gettext("Result"), str(attempt.sna_error_code))]
    if attempt.sna_error_code == 0:
        text = gettext("The carrier confirmed the number.")
        return Step(State.DONE, text, attempt.date_updated, facts=facts)
    text = gettext("The carrier did not confirm the number.")
    deed = gettext("Have the person ask for a code by another channel.")
    return Step(State.FAILED, text, attempt.date_updated, deed, facts)


def _composed(attempt: VerificationAttempt, names: Mapping[str, str]) -> Step:
    values = {"channel": label(attempt.channel), "language": _language(attempt.locale)}
    text = gettext("Written as: %(channel)s, in %(language)s.") % values
    if not attempt.locale:
        text = gettext("Written as: %(channel)s.") % values
    facts = []
    if attempt.template:
        sid = attempt.template["sid"]
        facts.append((gettext("Template"), names.get(sid, sid)))
    if attempt.fallback_channel:
        facts.append((gettext("Fallback"), str(label(attempt.fallback_channel))))
    return Step(State.DONE, text, attempt.date_created, facts=facts)


def _language(tag: str) -> str:
    """Return a language as the viewer calls it."""
    for code in (tag.lower(), tag.lower().partition("-")[0]):
        if name := LANG_INFO.get(code, {}).get("name"):
            return gettext(name)
    return tag


def _handed_over(attempt: VerificationAttempt) -> Iterator[Step]:
    """Yield each sender that had the message; the last one only if it may have taken it."""
    for earlier in attempt.trail:
        values = {"sender": earlier["sender"], "channel": label(earlier["channel"])}
        facts = (
            [(gettext("Provider's id"), earlier["provider_sid"])] if earlier["provider_sid"] else []
        )
        if earlier["status"] == "unknown":
            text = gettext(
                "Handed to %(sender)s, as %(channel)s. It did not answer: the message may have"
                " left."
            )
        else:
            text = gettext("%(sender)s took it, as %(channel)s, and it did not arrive.")
        yield Step(State.FAILED, text % values, facts=facts)
    if attempt.sender and attempt.message_status != _Message.QUEUED:
        values = {
            "sender": attempt.sender,
            "channel": label(attempt.via_channel or attempt.channel),
        }
        if attempt.trail or attempt.via_channel not in {"", attempt.channel}:
            text = gettext("Then handed to %(sender)s, as %(channel)s.")
        else:
            text = gettext("Handed to %(sender)s, as %(channel)s.")
        yield Step(State.DONE, text % values)


def _became(attempt: VerificationAttempt, now: dt.datetime) -> Iterator[Step]:
    """Yield what is known of the message in the row's columns."""
    status = attempt.message_status
    took = duration((attempt.date_updated - attempt.date_created).total_seconds())
    values = {"sender": attempt.sender, "time": took, "id": attempt.provider_sid}
    facts = _facts(attempt)
    if status in {_Message.QUEUED, _Message.SENDING}:
        yield _under_way(attempt, now)
    elif status == _Message.SENT:
        text = gettext("Accepted by %(sender)s after %(time)s.")
        yield Step(State.DONE, text % values, attempt.date_updated, facts=facts)
        yield _awaited(attempt, now)
    elif status in {_Message.DELIVERED, _Message.READ}:
        yield Step(State.DONE, gettext("Accepted by %(sender)s.") % values, facts=facts)
        text = gettext("Delivered after %(time)s.")
        if status == _Message.READ:
            text = gettext("Read after %(time)s.")
        yield Step(State.DONE, text % values, attempt.date_updated)
    elif status == _Message.UNDELIVERED or attempt.provider_sid:
        yield Step(State.DONE, gettext("Accepted by %(sender)s.") % values, facts=facts[:1])
        yield _failed(attempt, gettext("It did not arrive."), now)
    else:
        yield _failed(attempt, gettext("It was not sent."), now)


def _facts(attempt: VerificationAttempt) -> list[tuple[str, str]]:
    facts = []
    if attempt.provider_sid:
        facts.append((gettext("Provider's id"), attempt.provider_sid))
    if attempt.price_value:
        facts.append((gettext("Price"), f"{attempt.price_value} {attempt.price_currency}".strip()))
    return facts


def _may_be_sent_again(attempt: VerificationAttempt, now: dt.datetime) -> bool:
    """Whether another sender follows; one that is over is due for the report of its outcome."""
    is_pending = attempt.verification.current_status(now) == _Status.PENDING
    return attempt.due_at is not None and is_pending


def _awaited(attempt: VerificationAttempt, now: dt.datetime) -> Step:
    """Return whether a report of the delivery is to come."""
    if _may_be_sent_again(attempt, now):
        text = gettext("No report of its delivery yet. Without one, it is sent by another sender.")
        return Step(State.WAITING, text)
    return Step(State.NOTE, gettext("Whether it arrived was not reported."))


def _under_way(attempt: VerificationAttempt, now: dt.datetime) -> Step:
    """Return what a message waits for that has not left, and whether that takes too long."""
    late = attempt.due_at is not None and (now - attempt.due_at).total_seconds() > OVERDUE
    wait = abs((now - attempt.due_at).total_seconds()) if attempt.due_at else 0.0
    run = gettext("Run manage.py deliverattempts, or look why it stopped.")
    if attempt.message_status == _Message.SENDING and not late:
        return Step(State.WAITING, gettext("It is being sent."))
    if late:
        text = gettext("It has waited for a worker for %(time)s.") % {"time": duration(wait)}
        return Step(State.FAILED, text, attempt.date_updated, run)
    if attempt.tries:
        sentence, deed, facts = _why(attempt)
        times = ngettext("Tried %(count)d time.", "Tried %(count)d times.", attempt.tries)
        later = gettext("It is tried again in %(time)s.") % {"time": duration(wait)}
        text = " ".join((sentence, times % {"count": attempt.tries}, later))
        return Step(State.FAILED, text, attempt.date_updated, deed, facts)
    text = gettext("It waits to be sent.")
    if conf.current().DISPATCH != dispatch.INLINE:
        text = gettext("It waits for a worker to send it.")
    return Step(State.WAITING, text, attempt.date_created)


def _failed(attempt: VerificationAttempt, text: str, now: dt.datetime) -> Step:
    sentence, deed, facts = _why(attempt)
    if _may_be_sent_again(attempt, now):
        deed = gettext("Nothing: another sender is tried.")
    elif not why_not_again(attempt, now):
        again = gettext("Then send it again.")
        deed = f"{deed} {again}".strip()
    return Step(State.FAILED, f"{text} {sentence}".strip(), attempt.date_updated, deed, facts)


def _why(attempt: VerificationAttempt) -> tuple[str, str, list[tuple[str, str]]]:
    """Return the cause of a failure, what to do, and the provider's own words beside them."""
    facts = []
    if attempt.sender:
        facts.append((gettext("Sender"), attempt.sender))
    if attempt.error_code:
        facts.append((gettext("Provider's code"), attempt.error_code))
    if attempt.error_message:
        facts.append((gettext("Provider's words"), attempt.error_message))
    found = delivery.explain(attempt)
    return (found.sentence, found.deed, facts) if found else ("", "", facts)


def cause(attempt: VerificationAttempt) -> tuple[str, str]:
    """Return in a few words why a message did not arrive, and in full; empty where it did."""
    if attempt.message_status in {_Message.SENT, _Message.DELIVERED, _Message.READ}:
        return "", ""
    found = delivery.explain(attempt)
    return (found.label, f"{found.sentence} {found.deed}".strip()) if found else ("", "")


def _checks(row: Verification, now: dt.datetime) -> list[Step]:
    """Return how many wrong codes were entered; when, is not kept."""
    wrong = row.checks - row.confirmed
    if wrong <= 0:
        return []
    text = ngettext(
        "%(count)d wrong code was entered.", "%(count)d wrong codes were entered.", wrong
    )
    latest = row.date_updated if row.current_status(now) == _Status.PENDING else None
    return [Step(State.NOTE, text % {"count": wrong}, latest)]


def _end(row: Verification, now: dt.datetime) -> Step:
    """Return how it ended, or what it waits for."""
    status = row.current_status(now)
    took = duration((row.date_updated - row.date_created).total_seconds())
    if status == _Status.APPROVED:
        text = gettext("The right code was entered: approved after %(time)s.")
        if not row.confirmed:
            text = gettext("Approved by your site after %(time)s, without its code.")
        return Step(State.DONE, text % {"time": took}, row.date_updated)
    if status == _Status.CANCELED:
        return Step(
            State.NOTE, gettext("Canceled after %(time)s.") % {"time": took}, row.date_updated
        )
    if status == _Status.MAX_ATTEMPTS_REACHED:
        return _locked(row, now)
    if status == _Status.EXPIRED:
        text = gettext("Expired: no right code was entered in time.")
        deed = gettext("The person asks for a new code.")
        return Step(State.FAILED, text, row.expires_at, deed)
    return _open(row, now)


def _locked(row: Verification, now: dt.datetime) -> Step:
    text = gettext("Locked: too many wrong codes were entered.")
    if row.is_over(now):
        return Step(
            State.FAILED, text, row.date_updated, gettext("The person asks for a new code.")
        )
    left = duration((row.expires_at - now).total_seconds())
    deed = gettext(
        "If the owner asks, unlock the number. Otherwise it opens by itself in %(time)s."
    )
    return Step(State.FAILED, text, row.date_updated, deed % {"time": left})


def _open(row: Verification, now: dt.datetime) -> Step:
    guesses = row.max_checks - row.checks
    text = ngettext(
        "Waits for the code: %(count)d guess is left, for %(time)s.",
        "Waits for the code: %(count)d guesses are left, for %(time)s.",
        guesses,
    )
    left = duration((row.expires_at - now).total_seconds())
    return Step(State.WAITING, text % {"count": guesses, "time": left}, now)
