"""Delivery reports of tests: what a provider reports of the recorded messages, and when."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone

from django_verify import signals
from django_verify.delivery import reports
from django_verify.models import VerificationAttempt
from django_verify.senders import Report
from django_verify.testing.recorder import Outbox, SentMessage

STATUSES = ("sent", "delivered", "read", "undelivered", "failed")


class Reports:
    """What the providers report of the messages in an outbox.

    Nothing is reported until a test says so: `delivered` and its like report of the last message to
    a recipient, `always` of every message from then on. Each returns whether the report has changed
    the attempt, and raises LookupError where no message was sent to the recipient.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._status, self._code, self._after = "", "", dt.timedelta(0)
        self._waiting: list[tuple[dt.datetime, SentMessage, str, str]] = []

    def delivered(self, to: str) -> bool:
        """Report that the message has arrived."""
        return self._report(self._outbox.latest(to), "delivered")

    def read(self, to: str) -> bool:
        """Report that the message was read."""
        return self._report(self._outbox.latest(to), "read")

    def undelivered(self, to: str, *, code: str = "30005") -> bool:
        """Report that the message did not arrive, with an error code of the provider's own."""
        return self._report(self._outbox.latest(to), "undelivered", code)

    def failed(self, to: str, *, code: str = "30008") -> bool:
        """Report that the message failed, with an error code of the provider's own."""
        return self._report(self._outbox.latest(to), "failed", code)

    def always(self, status: str, *, code: str = "", after: float = 0) -> None:
        """Report a status of every message from now on.

        `after` is in seconds: the report comes when the clock has been moved so far on. The status
        is one of `STATUSES`; ValueError is raised for another.
        """
        if status not in STATUSES:
            raise ValueError(f"a status is one of {', '.join(STATUSES)}")
        self._status, self._code, self._after = status, code, dt.timedelta(seconds=after)

    def never(self) -> None:
        """Report nothing by itself any more; what was to come late does not come."""
        self._status = ""
        self._waiting.clear()

    def run_due(self) -> int:
        """Report what was to come late and is due; return how many reports changed anything."""
        now = timezone.now()
        due = [entry for entry in self._waiting if entry[0] <= now]
        self._waiting = [entry for entry in self._waiting if entry[0] > now]
        return sum(self._report(sent, status, code) for _, sent, status, code in due)

    def listen(self) -> None:
        """Begin to report by itself, of what senders accept."""
        signals.attempt_sent.connect(self._accepted, sender=VerificationAttempt)

    def stop(self) -> None:
        """End that."""
        signals.attempt_sent.disconnect(self._accepted, sender=VerificationAttempt)

    def _accepted(self, attempt: VerificationAttempt, **_: Any) -> None:
        if not self._status:
            return
        for sent in reversed(list(self._outbox)):
            if sent.provider_sid == attempt.provider_sid:
                break
        else:
            return
        if self._after:
            due = timezone.now() + self._after
            self._waiting.append((due, sent, self._status, self._code))
        else:
            self._report(sent, self._status, self._code)

    def _report(self, sent: SentMessage, status: str, code: str = "") -> bool:
        report = Report(sent.provider_sid, status, code=code)
        return reports.record(sent.sender, [report], sent.attempt_sid) > 0
