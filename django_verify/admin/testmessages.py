"""A test message: sent like any other, waited for, and its outcome in words."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext, ngettext

from django_verify import conf, delivery, sids, verifications
from django_verify.admin import pages
from django_verify.admin.recipients import error_text
from django_verify.db import queries
from django_verify.delivery import Explanation
from django_verify.exceptions import InvalidParameter, VerifyError
from django_verify.messages.channels import label
from django_verify.models import VerificationAttempt, VerifyService
from django_verify.senders import Sender

#: The query parameter that names a message whose outcome is shown.
ATTEMPT = "attempt"
#: Seconds: how long a page waits for a worker, or for a report of the provider, in all.
PATIENCE = 8.0
#: Seconds between two looks at the row.
PAUSE = 0.5

_Status = VerificationAttempt.MessageStatus
_ARRIVED = (_Status.DELIVERED, _Status.READ)
_UNSENT = (_Status.QUEUED, _Status.SENDING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test message: `level` is `success`, `warning` or `error`."""

    level: str
    sentence: str
    problem: Explanation | None


def send(service: VerifyService, form: forms.Form) -> VerificationAttempt | None:
    """Start a verification, and return its message as it stands then.

    A refusal is added to the form's errors.
    """
    recipient, channel = form.cleaned_data["recipient"], form.cleaned_data["channel"]
    try:
        # The payment is an example, and is used by a PSD2 service alone.
        verification = verifications.start(
            service, recipient, channel, amount="€1.00", payee=service.friendly_name
        )
    except InvalidParameter as error:
        form.add_error("recipient" if error.parameter == "to" else None, error.reason)
    except VerifyError as error:
        form.add_error(None, forms.ValidationError([error.message, *_wait(error)]))
    else:
        return queries.attempts().get(sid=verification.send_code_attempts[-1]["attempt_sid"])
    return None


def redirect(request: HttpRequest, attempt: VerificationAttempt) -> HttpResponse:
    """Lead to the page that shows the outcome, so that a reload sends nothing again."""
    return HttpResponseRedirect(f"{request.path}?{urlencode({ATTEMPT: attempt.sid})}")


def context(site: AdminSite, request: HttpRequest, **of: object) -> dict[str, Any]:
    """Return what the page shows of the message that its URL names; `of` is whose it must be.

    Waits for the outcome, PATIENCE at most, with no transaction open.
    """
    sid = request.GET.get(ATTEMPT, "")
    if request.method == "POST" or not sids.is_sid("VL", sid):
        return {}
    key = "verification__service" if "service" in of else "sender"
    rows = queries.attempts().filter(sid=sids.canonical(sid), **{key: next(iter(of.values()))})
    attempt = _settled(rows)
    if attempt is None:
        return {}
    details = ""
    if request.user.has_perm("django_verify.view_verificationattempt"):
        details = pages.of_object(site, attempt)
    again = request.get_full_path() if _is_open(attempt) else ""
    outcome = _outcome(attempt)
    if problem := outcome.problem:
        outcome = replace(outcome, problem=replace(problem, text=error_text(request, problem.text)))
    return {"outcome": outcome, "details": details, "again": again}


def _settled(rows: QuerySet[VerificationAttempt]) -> VerificationAttempt | None:
    """Return the attempt once nothing more is expected of it, or the patience is over."""
    ends = time.monotonic() + PATIENCE
    while True:
        attempt = rows.first()
        if attempt is None or not _is_open(attempt) or time.monotonic() + PAUSE > ends:
            return attempt
        time.sleep(PAUSE)


def _is_open(attempt: VerificationAttempt) -> bool:
    """Whether a worker or a report is still to come; what was put off has its answer."""
    if attempt.message_status in _UNSENT:
        return not attempt.error_message
    return attempt.message_status == _Status.SENT and _will_report(attempt)


def _will_report(attempt: VerificationAttempt) -> bool:
    sender: Sender | None = delivery.configured(attempt.sender)
    reports = sender is not None and sender.reports_on(attempt.via_channel)
    return reports and bool(conf.current().BASE_URL)


def _outcome(attempt: VerificationAttempt) -> Outcome:
    problem = delivery.explain(attempt)
    values: dict[str, Any] = {"channel": label(attempt.channel), "sender": attempt.sender}
    status, level = attempt.message_status, "success"
    if status in _ARRIVED:
        text = gettext("%(channel)s: delivered. The sender “%(sender)s” reports that it arrived.")
    elif status == _Status.SENT and _will_report(attempt):
        text = gettext(
            "%(channel)s: sent. The sender “%(sender)s” accepted the message, and has not reported"
            " its delivery yet."
        )
    elif status == _Status.SENT:
        text = gettext("%(channel)s: sent. The sender “%(sender)s” accepted the message.")
    elif status in _UNSENT and problem is None:
        level = "warning"
        text = gettext(
            "%(channel)s: still queued. No worker has taken the message: look whether"
            " deliverattempts runs."
        )
    elif status in _UNSENT:
        level = "error"
        text = gettext("%(channel)s: not sent yet. It will be tried again.")
    elif status == _Status.UNDELIVERED or attempt.provider_sid:
        level = "error"
        text = gettext("%(channel)s: accepted by “%(sender)s”, and not delivered.")
    elif attempt.sender:
        level = "error"
        text = gettext("%(channel)s: not sent. The sender “%(sender)s” failed.")
    else:
        level = "error"
        text = gettext("%(channel)s: not sent.")
    return Outcome(level, text % values, problem)


def _wait(error: VerifyError) -> Iterable[str]:
    if error.retry_after:
        minutes = -(-error.retry_after // 60)
        text = ngettext(
            "Try again in %(minutes)d minute.", "Try again in %(minutes)d minutes.", minutes
        )
        yield text % {"minutes": minutes}
