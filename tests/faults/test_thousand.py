"""A thousand starts while the provider fails three calls in ten: nothing is lost, and counts add up."""

import itertools
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.db import connections
from django.utils import timezone

from django_verify import delivery, verifications
from django_verify.models import VerificationAttempt
from django_verify.senders import Receipt, SendError, TemporarySendError
from tests.scripted import Scripted, configured

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]

STARTS, THREADS, FAILING = 1000, 8, 0.3


class Provider:
    """What it did to each call: it draws by number, sender and turn, so that every run is the same."""

    def __init__(self):
        self.calls, self.lock = {}, threading.Lock()

    def answer(self, message, alias):
        with self.lock:
            done = self.calls.setdefault(message.attempt_sid, [])
            chance = random.Random(f"{message.to} {alias} {len(done)}")
            kind = "accepted"
            if chance.random() < FAILING:
                kind = chance.choice(["busy", "refused", "unanswered"])
            done.append((kind, alias, message.code))
        match kind:
            case "busy":
                raise TemporarySendError("busy", code="503")
            case "refused":
                raise SendError("no such number", code="21211")
            case "unanswered":
                raise TemporarySendError("no answer", uncertain=True)
        return Receipt(f"SM{message.attempt_sid}")


@pytest.fixture
def provider(settings, monkeypatch):
    provider = Provider()
    settings.DJANGO_VERIFY = configured()
    monkeypatch.setattr(
        Scripted, "send", lambda self, message: provider.answer(message, self.alias)
    )
    return provider


@pytest.fixture
def threads():
    """`threads(call, values)` calls with each value, in a few threads, and returns the results."""
    local = ThreadPoolExecutor(THREADS)

    def run(call, values):
        try:
            return [call(value) for value in values]
        finally:
            connections.close_all()

    def share(call, values):
        values = list(values)
        parts = [local.submit(run, call, values[first::THREADS]) for first in range(THREADS)]
        return list(itertools.chain.from_iterable(part.result() for part in parts))

    yield share
    local.shutdown()


def test_a_thousand_starts_all_end_sent_or_visibly_failed(service, provider, threads):
    numbers = [f"+1212234{line:04d}" for line in range(STARTS)]
    with time_machine.travel(timezone.now()) as clock:
        rows = threads(lambda to: verifications.start(service, to), numbers)
        while due := VerificationAttempt.objects.filter(due_at__isnull=False).count():
            clock.shift(6)
            threads(lambda _: delivery.deliver_due(due), range(THREADS))
    assert len({row.sid for row in rows}) == STARTS == VerificationAttempt.objects.count()
    attempts = list(VerificationAttempt.objects.select_related("verification"))
    for attempt in attempts:
        agrees(attempt, provider.calls[attempt.sid])
    kinds = Counter(kind for calls in provider.calls.values() for kind, *_ in calls)
    sent = [attempt for attempt in attempts if attempt.message_status == "sent"]
    assert len(sent) == kinds["accepted"]
    assert sum(attempt.messages for attempt in attempts) == kinds["accepted"] + kinds["unanswered"]
    calls = kinds.total()
    assert abs((calls - kinds["accepted"]) / calls - FAILING) < 0.05
    assert min(kinds.values()) > 50
    assert len(sent) > 0.8 * STARTS
    for attempt in sent[::20]:
        (code,) = {code for _, _, code in provider.calls[attempt.sid]}
        assert verifications.check(service, code, to=attempt.verification.to).valid


def agrees(attempt, calls):
    """The row says what the provider saw of its attempt."""
    kinds = [kind for kind, *_ in calls]
    left = [(alias, kind) for kind, alias, _ in calls if kind in {"accepted", "unanswered"}]
    assert attempt.messages == len(left) <= 2
    assert len({code for *_, code in calls}) == 1
    assert (attempt.due_at, attempt.lease) == (None, "")
    if attempt.message_status == "sent":
        assert kinds.count("accepted") == 1
        assert (kinds[-1], calls[-1][1]) == ("accepted", attempt.sender)
        assert attempt.provider_sid == f"SM{attempt.sid}"
    else:
        assert attempt.message_status == "failed"
        assert "accepted" not in kinds
        assert (
            attempt.error_message
            == {
                "refused": "no such number",
                "unanswered": "no answer",
                "busy": "busy",
            }[kinds[-1]]
        )
    lost = [alias for alias, kind in left if kind == "unanswered"]
    assert [(row["sender"], row["status"]) for row in attempt.trail] == [
        (alias, "unknown") for alias in lost
    ]
