"""Two pages on the Python API: one enrols an authenticator app, one signs in with its codes.

The seed is shown to the session that enrols the app until the first code proves it, and is kept
nowhere but sealed in the factor.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import segno
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from django_verify import factors
from django_verify.exceptions import (
    InvalidFactorParameter,
    MaxChallengeChecksReached,
    MaxFactorChecksReached,
    NotFound,
    TooManyChallenges,
    TooManyEnrolments,
    VerifyError,
)
from django_verify.factors import challenges, entities
from django_verify.models import Challenge, Factor, VerifyService
from example_project import visitor

ENROLLING = "factor_sid"

_WRONG = (
    "That is not the code for this name, or it was used already. Each code works once:"
    " wait for the next one and try again."
)
_TOO_MANY = "Too many codes were tried. Please try again later."
_SENTENCES: dict[type[VerifyError], str] = {
    InvalidFactorParameter: "Enter the code as the app shows it.",
    MaxChallengeChecksReached: _TOO_MANY,
    TooManyChallenges: _TOO_MANY,
    TooManyEnrolments: "Too many apps were added today. Please try again tomorrow.",
}


class CodeForm(forms.Form):
    """The code of an app; apps show it with a space, which does no harm."""

    code = forms.CharField(
        label="Code",
        max_length=20,
        error_messages={"required": "Enter the code that the app shows."},
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )

    def clean_code(self) -> str:
        """Return the digits; what cannot be a code costs no guess."""
        code = re.sub(r"\s", "", self.cleaned_data["code"])
        if not re.fullmatch(r"[0-9]{3,8}", code):
            raise ValidationError("Enter the code as the app shows it.")
        return code


class SignInForm(CodeForm):
    """A name and a code."""

    identity = forms.CharField(
        label="Name",
        max_length=64,
        error_messages={"required": "Enter your name here."},
        widget=forms.TextInput(
            attrs={"autocomplete": "username webauthn", "autocapitalize": "none"}
        ),
    )
    field_order = ("identity", "code")


# A code is never looked at inside a transaction, whose rollback could give a guess back.
@transaction.non_atomic_requests
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def enrol(request: HttpRequest) -> HttpResponse:
    """Show what the app scans, then ask for its first code."""
    service = visitor.service()
    if service is None:
        return redirect("verify_web:start")
    factor = _enrolling(request)
    if request.method != "POST":
        return _show(request, factor, CodeForm())
    step = request.POST.get("step")
    if step == "confirm" and factor:
        return _confirm(request, factor)
    if factor and not factor.is_verified:  # a new start leaves no half of an app behind
        with suppress(NotFound):
            entities.delete_factor(factor)
    return _start(request, service) if step == "start" else _forget(request)


@transaction.non_atomic_requests
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Take a name and a code; a passkey, on the same page, is the script's."""
    service = visitor.service()
    if service is None:
        return redirect("verify_web:start")
    if request.method != "POST":
        name = request.GET.get("name") or request.session.get(visitor.IDENTITY, "")
        return _ask(request, SignInForm(initial={"identity": name}))
    if request.POST.get("step") == "sign-out":
        name = visitor.sign_out(request)
        return redirect(f"{reverse('sign-in')}?{urlencode({'name': name})}")
    form = SignInForm(request.POST)
    if form.is_valid():
        try:
            challenge = _challenged(service, **form.cleaned_data)
        except VerifyError as error:
            form.add_error(None, _sentence(error))
            return _ask(request, form)
        if challenge and challenge.status == Challenge.Status.APPROVED and challenge.entity:
            visitor.sign_in(request, challenge.entity, "your authenticator app")
            return redirect("sign-in")
        form.add_error(None, _WRONG)
    return _ask(request, form)


@sensitive_variables()
def _show(request: HttpRequest, factor: Factor | None, form: CodeForm) -> HttpResponse:
    context: dict[str, Any] = {"identity": request.session.get(visitor.IDENTITY)}
    if factor is None:
        return render(request, "authenticator.html", {"state": "start", **context})
    if factor.is_verified:
        return render(request, "authenticator.html", {"state": "done", "done": True, **context})
    binding = factors.get(factor.factor_type).binding(factor) or {}
    drawn = segno.make(binding["uri"], error="m", micro=False).svg_inline(
        border=4, dark="#000", light="#fff", omitsize=True
    )
    context |= {
        "state": "confirm",
        "form": form,
        "uri": binding["uri"],
        "qr": mark_safe(drawn),
        "secret": re.findall(".{1,4}", binding["secret"]),
    }
    return render(request, "authenticator.html", context)


def _start(request: HttpRequest, service: VerifyService) -> HttpResponse:
    name = visitor.identity(request)
    try:
        factor = entities.enrol(service, name, Factor.Type.TOTP, name)
    except VerifyError as error:
        messages.error(request, _sentence(error))
    else:
        request.session[ENROLLING] = factor.sid
    return redirect("authenticator")


def _confirm(request: HttpRequest, factor: Factor) -> HttpResponse:
    form = CodeForm(request.POST)
    if factor.is_verified or not form.is_valid():
        return _show(request, factor, form)
    try:
        factor = entities.verify(factor, form.cleaned_data["code"])
    except MaxFactorChecksReached:
        with suppress(NotFound):
            entities.delete_factor(factor)
        messages.error(request, "Too many wrong codes. Please start again.")
        return _forget(request)
    except VerifyError as error:
        form.add_error("code", _sentence(error))
        return _show(request, factor, form)
    if factor.is_verified:
        return redirect("authenticator")
    form.add_error("code", "That is not the code. Check that your device's clock is right.")
    return _show(request, factor, form)


def _forget(request: HttpRequest) -> HttpResponse:
    request.session.pop(ENROLLING, None)
    return redirect("authenticator")


def _enrolling(request: HttpRequest) -> Factor | None:
    """Return the app that this session enrols, or has just enrolled."""
    sid = request.session.get(ENROLLING)
    return entities.rows().select_related("service").filter(sid=sid).first() if sid else None


def _challenged(service: VerifyService, identity: str, code: str) -> Challenge | None:
    """Put the code to the app that was enrolled last; None where there is none."""
    try:
        entity = entities.fetch(service, identity)
    except NotFound:
        return None  # and the page answers as to a wrong code: no name is revealed to exist
    apps = entities.rows().filter(
        entity=entity, factor_type=Factor.Type.TOTP, status=Factor.Status.VERIFIED
    )
    newest = apps.order_by("-date_created", "-sid").first()
    return challenges.create(newest, auth_payload=code) if newest else None


def _ask(request: HttpRequest, form: SignInForm) -> HttpResponse:
    way = request.session.get(visitor.SIGNED_IN)
    name = request.session.get(visitor.IDENTITY)
    context = {"form": form, "way": way, "identity": name, "done": bool(way)}
    return render(request, "sign_in.html", context)


def _sentence(error: VerifyError) -> str:
    return _SENTENCES.get(type(error), error.message)
