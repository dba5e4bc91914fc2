"""One page on which a person verifies a phone number, on the Python API alone.

The session remembers the verification under way, then the number that was verified. Every step
ends in a redirect, except where a form is shown again with what is wrong about it.
"""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from phonenumber_field.formfields import PhoneNumberField

from django_verify import phones, verifications
from django_verify.exceptions import (
    ChannelDisabled,
    InvalidParameter,
    MaxChecksReached,
    MaxSendsReached,
    NotFound,
    VerifyError,
    WhatsappNotConfigured,
)
from django_verify.models import Verification, VerifyService
from example_project import visitor

UNDER_WAY = "verification_sid"
VERIFIED = "verified_number"
CHANNELS = {"sms": "Text message", "call": "Phone call", "whatsapp": "WhatsApp"}

_UNAVAILABLE = "This way of sending is not available here. Please choose another."
# What a person is told where the API's message is written for a developer.
_SENTENCES: dict[type[VerifyError], str] = {
    ChannelDisabled: _UNAVAILABLE,
    InvalidParameter: "This number cannot receive a code. Please check it.",
    MaxChecksReached: "Too many wrong codes were entered. Please try again later.",
    MaxSendsReached: "No more codes can be sent to this number for now. Please try again later.",
    NotFound: "This code is no longer valid. Please start again.",
    WhatsappNotConfigured: _UNAVAILABLE,
}


class StartForm(forms.Form):
    """The number, in any spelling with its country code, and the way to reach it."""

    phone = PhoneNumberField(
        label="Phone number",
        help_text="With the country code, for example +1\u00a0415\u00a0555\u00a02671.",
        error_messages={
            "required": "Enter your phone number.",
            "invalid": "Enter a complete phone number that begins with + and the country code.",
        },
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )
    channel = forms.ChoiceField(
        label="How should we send the code?",
        error_messages={"required": "Choose one.", "invalid_choice": "Choose one of these."},
        widget=forms.RadioSelect,
    )

    def __init__(self, service: VerifyService, data: Any = None) -> None:
        offered = [(name, label) for name, label in CHANNELS.items() if name in service.channels]
        super().__init__(data, initial={"channel": offered[0][0] if offered else ""})
        self.fields["channel"].choices = offered  # type: ignore[attr-defined]  # a ChoiceField


class CheckForm(forms.Form):
    """The code that was sent; spaces and hyphens in it do no harm."""

    code = forms.CharField(
        label="Code",
        max_length=20,
        error_messages={"required": "Enter the code from the message."},
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "autofocus": True}
        ),
    )

    def clean_code(self) -> str:
        """Return the code without its spacing; what cannot be a code costs no guess."""
        code = re.sub(r"[\s-]", "", self.cleaned_data["code"])
        if not re.fullmatch(r"[0-9A-Za-z]{4,10}", code):
            raise ValidationError("Enter the code as it stands in the message.")
        return code


# A check refuses to run inside a transaction, whose rollback could give a guess back.
@transaction.non_atomic_requests
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """Ask for the number, then for the code, then say that it is verified."""
    service = visitor.service()
    if service is None:
        return render(request, "home.html", {"state": "closed"}, status=503)
    if request.method != "POST":
        return _show(request, service)
    step = {"start": _start, "check": _check, "resend": _resend}.get(request.POST.get("step", ""))
    return step(request, service) if step else _restart(request)


def _show(request: HttpRequest, service: VerifyService) -> HttpResponse:
    if number := request.session.get(VERIFIED):
        return render(request, "home.html", {"state": "approved", "done": True, **_masked(number)})
    if row := _under_way(request, service):
        return _ask_code(request, row, CheckForm())
    return _ask_number(request, StartForm(service))


def _start(request: HttpRequest, service: VerifyService) -> HttpResponse:
    form = StartForm(service, request.POST)
    if not form.is_valid():
        return _ask_number(request, form)
    phone, channel = form.cleaned_data["phone"], form.cleaned_data["channel"]
    try:
        row = verifications.start(service, phone.as_e164, channel)
    except VerifyError as error:
        form.add_error(None, _sentence(error))
        return _ask_number(request, form)
    request.session.pop(VERIFIED, None)
    request.session[UNDER_WAY] = row.sid
    return redirect("home")


def _check(request: HttpRequest, service: VerifyService) -> HttpResponse:
    row = _under_way(request, service)
    if row is None:
        return redirect("home")
    form = CheckForm(request.POST)
    if not form.is_valid():
        return _ask_code(request, row, form)
    try:
        row = verifications.check(service, form.cleaned_data["code"], verification_sid=row.sid)
    except VerifyError as error:
        return _give_up(request, error)
    if row.valid:
        del request.session[UNDER_WAY]
        request.session[VERIFIED] = row.to
        return redirect("home")
    left = row.max_checks - row.checks
    if not left:
        return _give_up(request, MaxChecksReached())
    tries = "1 more try" if left == 1 else f"{left} more tries"
    form.add_error("code", f"That is not the code we sent. You have {tries}.")
    return _ask_code(request, row, form)


def _resend(request: HttpRequest, service: VerifyService) -> HttpResponse:
    if row := _under_way(request, service):
        try:
            row = verifications.start(service, row.to, row.channel)
        except VerifyError as error:
            messages.error(request, _sentence(error))
        else:
            request.session[UNDER_WAY] = row.sid
            messages.success(request, "We sent the code again.")
    return redirect("home")


def _restart(request: HttpRequest) -> HttpResponse:
    for key in (UNDER_WAY, VERIFIED):
        request.session.pop(key, None)
    return redirect("home")


def _give_up(request: HttpRequest, error: VerifyError) -> HttpResponse:
    messages.error(request, _sentence(error))
    return _restart(request)


def _under_way(request: HttpRequest, service: VerifyService) -> Verification | None:
    """Return the session's verification, or forget it and say so when its code is over."""
    sid = request.session.get(UNDER_WAY)
    if not sid:
        return None
    try:
        row = verifications.fetch(service, sid)
        if row.status == Verification.Status.PENDING:
            return row
    except NotFound:
        pass
    del request.session[UNDER_WAY]
    messages.error(request, _sentence(NotFound()))
    return None


def _ask_number(request: HttpRequest, form: StartForm) -> HttpResponse:
    return render(request, "home.html", {"state": "number", "form": form})


def _ask_code(request: HttpRequest, row: Verification, form: CheckForm) -> HttpResponse:
    context = {"state": "code", "form": form, "channel": row.channel, **_masked(row.to)}
    return render(request, "home.html", context)


def _masked(number: str) -> dict[str, str]:
    """Return the number as it is shown, and its end, which is what a screen reader says."""
    return {"masked": phones.mask(number).replace("*", "•"), "ending": number[-2:]}


def _sentence(error: VerifyError) -> str:
    return _SENTENCES.get(type(error), error.message)
