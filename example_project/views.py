"""One page on which a person verifies a phone number, on the Python API alone."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from phonenumber_field.formfields import PhoneNumberField

from django_verify import verifications
from django_verify.exceptions import VerifyError
from django_verify.models import Account, VerifyService

SESSION_KEY = "verification_sid"


class StartForm(forms.Form):
    """The number, in any spelling with its country code."""

    phone = PhoneNumberField(
        label="Phone number",
        widget=forms.TextInput(
            attrs={"type": "tel", "autocomplete": "tel", "placeholder": "+14155552671"}
        ),
    )
    channel = forms.ChoiceField(choices=[("sms", "Text message"), ("call", "Phone call")])


class CheckForm(forms.Form):
    """The code that was sent."""

    code = forms.CharField(
        min_length=4,
        max_length=10,
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "autofocus": True}
        ),
    )


def home(request: HttpRequest) -> HttpResponse:
    """Ask for the number, then for the code, then say that it is verified."""
    if request.method == "POST":
        if "again" in request.POST:
            request.session.pop(SESSION_KEY, None)
            return redirect("home")
        if SESSION_KEY in request.session:
            return _check(request)
        return _start(request)
    if SESSION_KEY in request.session:
        return _page(request, CheckForm())
    return _page(request, StartForm())


def _start(request: HttpRequest) -> HttpResponse:
    form = StartForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    phone, channel = form.cleaned_data["phone"], form.cleaned_data["channel"]
    try:
        verification = verifications.start(_service(), phone.as_e164, channel)
    except VerifyError as error:
        form.add_error(None, error.message)
        return _page(request, form)
    request.session[SESSION_KEY] = verification.sid
    return redirect("home")


def _check(request: HttpRequest) -> HttpResponse:
    form = CheckForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    sid = request.session[SESSION_KEY]
    try:
        verification = verifications.check(
            _service(), form.cleaned_data["code"], verification_sid=sid
        )
    except VerifyError as error:
        del request.session[SESSION_KEY]
        start = StartForm()
        return _page(request, start, message=f"{error.message}. Please start again.")
    if not verification.valid:
        form.add_error("code", "That is not the code we sent.")
        return _page(request, form)
    del request.session[SESSION_KEY]
    return render(request, "home.html", {"approved": verification.to})


def _page(request: HttpRequest, form: forms.Form, message: str = "") -> HttpResponse:
    context = {"form": form, "checking": isinstance(form, CheckForm), "message": message}
    return render(request, "home.html", context)


def _service() -> VerifyService:
    """Return the site's first service, which `make serve` creates."""
    service = VerifyService.objects.order_by("date_created").first()
    if service is not None:
        return service
    account = Account.objects.order_by("date_created").first()
    if account is None:
        raise ImproperlyConfigured("Run manage.py createverifyaccount first.")
    return VerifyService.objects.create(account=account, friendly_name="Example")
