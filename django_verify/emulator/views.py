"""The inbox, and what steers time, reports and faults. Parameters come as JSON or as a form."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from django_verify.crypto import codes
from django_verify.emulator.site import FOLDER
from django_verify.messages import channels
from django_verify.models import Verification
from django_verify.net import times
from django_verify.testing.clock import Clock
from django_verify.testing.recorder import SentMessage, failures, outbox
from django_verify.testing.reports import Reports

#: Messages that the page shows.
ON_A_PAGE = 100
#: The largest number of a parameter; of seconds, a century and a half.
MOST = 5 * 10**9
FAULTS = ("refuse", "unavailable", "lose_answer", "misconfigured")

clock = Clock()
reports = Reports(outbox)
clock.on_move.append(reports.run_due)


class BadParameter(ValueError):
    """A parameter is missing or cannot be read; the text says which."""


def _parameters(request: HttpRequest) -> dict[str, Any]:
    """Return the parameters of a body and a query. Raises BadParameter."""
    found: dict[str, Any] = dict(request.GET.items())
    if not request.body:
        return found
    if request.content_type == "application/json":
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            raise BadParameter("the body is no JSON") from None
        if not isinstance(body, dict):
            raise BadParameter("the body must be a JSON object")
        return found | body
    return found | dict(QueryDict(request.body).items())


def _number(values: Mapping[str, Any], name: str, default: float | None = None) -> float | None:
    value = values.get(name)
    if value is None or value == "":
        return default
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise BadParameter(f"{name} must be a number") from None
    # Not for what is no number either.
    if not abs(number) <= MOST:
        raise BadParameter(f"{name} must be a number of at most {MOST}")
    return number


def _whole(values: Mapping[str, Any], name: str) -> int | None:
    number = _number(values, name)
    return None if number is None else int(number)


def _text(values: Mapping[str, Any], name: str) -> str:
    text = str(values.get(name) or "")
    if not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
        raise BadParameter(f"{name} is no text")
    return text


def _moment(text: str) -> dt.datetime | None:
    try:
        return parse_datetime(text) if text else None
    except ValueError:
        return None


def steering(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Return a view that answers a BadParameter by 400, and whose answers nobody keeps."""

    def answer(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except BadParameter as error:
            return JsonResponse({"error": str(error)}, status=400)
        except LookupError as error:
            return JsonResponse({"error": str(error)}, status=404)

    return never_cache(answer)


def _shown(sent: SentMessage) -> dict[str, str]:
    return {
        "channel": sent.channel,
        "to": sent.to,
        "body": sent.body,
        "code": sent.code,
        "subject": sent.message.subject,
        "attempt_sid": sent.attempt_sid,
        "time": times.timestamp(sent.sent_at),
    }


@require_http_methods(["GET", "HEAD", "DELETE"])
@steering
def messages(request: HttpRequest) -> HttpResponse:
    """Answer the messages, newest first, to one recipient where `to` names it; or empty the box."""
    if request.method == "DELETE":
        outbox.clear()
        return HttpResponse(status=204)
    to = request.GET.get("to", "")
    # In a query, + is a space.
    to = "+" + to.strip() if to.startswith(" ") else to
    found = outbox.to(to) if to else list(outbox)
    return JsonResponse({"messages": [_shown(sent) for sent in reversed(found)]})


@require_safe
@never_cache
def inbox(request: HttpRequest) -> HttpResponse:
    """Show the newest messages, on a page that loads itself anew."""
    newest = list(outbox)[: -ON_A_PAGE - 1 : -1]
    values = {"messages": newest, "count": len(outbox), "now": timezone.now()}
    response = render(request, "inbox.html", values)
    response.headers["Content-Security-Policy"] = "default-src 'self'"
    return response


@require_safe
def style(request: HttpRequest) -> HttpResponse:
    """Answer the page's stylesheet."""
    return HttpResponse((FOLDER / "pages/inbox.css").read_bytes(), content_type="text/css")


@require_safe
def no_icon(request: HttpRequest) -> HttpResponse:
    """Answer what browsers ask for by themselves."""
    return HttpResponse(status=204)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Lead to the inbox."""
    return redirect("emulator:inbox")


@require_http_methods(["GET", "HEAD", "POST", "DELETE"])
@steering
def time(request: HttpRequest) -> HttpResponse:
    """Answer the time, or move it: `shift` in seconds, `to` a moment; DELETE moves it back."""
    if request.method == "DELETE":
        clock.reset()
    elif request.method == "POST":
        values = _parameters(request)
        shift, to = _number(values, "shift"), _text(values, "to")
        moment = _moment(to)
        if to and (moment is None or moment.tzinfo is None):
            raise BadParameter("to must be a moment such as 2026-07-01T12:00:00Z")
        if (shift is None) == (moment is None):
            raise BadParameter("shift or to is required, and not both")
        try:
            if moment is not None:
                clock.move_to(moment)
            elif shift is not None:
                clock.shift(shift)
        except OverflowError as error:
            raise BadParameter(str(error)) from None
    offset = round(clock.offset.total_seconds())
    return JsonResponse({"now": times.timestamp(clock.now), "offset": offset})


@require_http_methods(["POST", "DELETE"])
@steering
def report(request: HttpRequest) -> HttpResponse:
    """Report the last message to `to` as `status`, or with `always` each one from now on.

    `after` is in seconds of the emulator's clock. DELETE ends what comes by itself.
    """
    if request.method == "DELETE":
        reports.never()
        return HttpResponse(status=204)
    values = _parameters(request)
    status, code, to = _text(values, "status"), _text(values, "code"), _text(values, "to")
    always = _text(values, "always")
    if always:
        try:
            reports.always(always, code=code, after=_number(values, "after", 0) or 0)
        except ValueError as error:
            raise BadParameter(str(error)) from None
        return JsonResponse({"always": always})
    known: dict[str, Callable[[], bool]] = {
        "delivered": lambda: reports.delivered(to),
        "read": lambda: reports.read(to),
        "undelivered": lambda: reports.undelivered(to, **({"code": code} if code else {})),
        "failed": lambda: reports.failed(to, **({"code": code} if code else {})),
    }
    if not to or status not in known:
        raise BadParameter(f"to is required, and status, one of {', '.join(known)}; or always")
    return JsonResponse({"changed": known[status]()})


@require_http_methods(["POST", "DELETE"])
@steering
def failure(request: HttpRequest) -> HttpResponse:
    """Have the provider fail: `kind`, and where left out not all, `to`, `channel` and `times`."""
    if request.method == "DELETE":
        failures.clear()
        return HttpResponse(status=204)
    values = _parameters(request)
    kind = _text(values, "kind")
    if kind not in FAULTS:
        raise BadParameter(f"kind must be one of {', '.join(FAULTS)}")
    options: dict[str, Any] = {
        "channel": _text(values, "channel"),
        "times": _whole(values, "times"),
    }
    if kind == "refuse" and _text(values, "code"):
        options["code"] = _text(values, "code")
    if kind == "unavailable":
        options["retry_after"] = _whole(values, "retry_after")
    getattr(failures, kind)(_text(values, "to"), **options)
    return JsonResponse({"kind": kind}, status=201)


@require_safe
@steering
def latest_code(request: HttpRequest) -> HttpResponse:
    """Answer the code of a verification, by `VerificationSid` or the latest of `To`.

    The path, the parameters and the members are those of vercel-labs/emulate.
    """
    # By the order in which they were made: SIDs follow a clock that may have been moved back.
    rows = Verification.objects.order_by(RawSQL("rowid", ()).desc())
    sid, to = request.GET.get("VerificationSid", ""), request.GET.get("To", "").strip()
    if service := request.GET.get("ServiceSid", ""):
        rows = rows.filter(service_id=service)
    if sid:
        rows = rows.filter(sid=sid)
    elif to:
        to = channels.read_typed(to if "@" in to or to.startswith("+") else "+" + to)
        rows = rows.filter(to=to)
    else:
        raise BadParameter("VerificationSid or To is required")
    row = rows.first()
    if row is None:
        raise LookupError("there is no such verification")
    return JsonResponse(
        {
            "account_sid": row.account_id,
            "service_sid": row.service_id,
            "verification_sid": row.sid,
            "to": row.to,
            "channel": row.channel,
            "status": row.current_status(timezone.now()),
            "code": _code(row),
            "attempts": row.checks,
            "valid": row.valid,
            "date_created": times.timestamp(row.date_created),
            "date_updated": times.timestamp(row.date_updated),
        }
    )


def _code(row: Verification) -> str:
    """Return the code; one that the caller chose is wiped at the end, and in the message still."""
    sent = [each for each in outbox.to(row.to) if each.attempt_sid in row.send_log]
    return sent[-1].code if sent else codes.reveal(row)
