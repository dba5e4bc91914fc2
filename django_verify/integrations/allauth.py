"""Adapters for django-allauth: sign-up, log-in by code and change of number send by a service.

allauth makes the code, keeps it in the session and compares it, at most as often as its own
settings allow. It is handed over as a custom code, so that the service's senders, countries,
guard and budgets hold for its message; the verification is approved when allauth says so.
"""

from __future__ import annotations

import secrets
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.fields import PhoneField
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.httpkit import is_headless_request
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.views.decorators.debug import sensitive_variables

from django_verify import conf
from django_verify.contact import phones
from django_verify.exceptions import VerifyError
from django_verify.integrations import sending
from django_verify.logs import logger
from django_verify.net import client_ip
from django_verify.verifications import refusals
from django_verify.web import sentences

_SENT = {
    "account/messages/phone_verification_sent.txt",
    "account/messages/login_code_sent.txt",
}
_REFUSED = "_django_verify_refused"


class VerifySmsMixin:
    """For an adapter that keeps numbers in columns of its own; it goes before allauth's.

    A message that the service refuses is no error of the page: the visitor reads why instead of
    allauth's "sent", and can ask again; a headless client gets the refusal's HTTP status. Where
    that would show whether a number is an account's, "sent" stands (ACCOUNT_PREVENT_ENUMERATION).
    """

    #: By which channel codes leave.
    verification_channel = "sms"

    def clean_phone(self, phone: str) -> str:
        """Return a number as people type it in E.164. Raises ValidationError for what is none."""
        try:
            return phones.read(phone, conf.phone_region()).number
        except ValueError:
            raise ValidationError(PhoneField.e164_validator.message, code="invalid_phone") from None

    def phone_form_field(self, **kwargs: Any) -> Any:
        """Return allauth's field, which leaves the reading to `clean_phone`."""
        return PhoneField(**{"validators": [], **kwargs})

    def generate_phone_verification_code(self, *, user: Any, phone: str) -> str:
        """Return a code of as many digits as the service's own."""
        length = sending.service().code_length
        return f"{secrets.randbelow(10**length):0{length}d}"

    @sensitive_variables()
    def send_verification_code_sms(
        self, user: AbstractBaseUser, phone: str, code: str, **kwargs: Any
    ) -> None:
        """Send the code."""
        request = context.request
        setattr(request, _REFUSED, "")
        network = client_ip.network_of(client_ip.from_meta(request.META))
        try:
            sending.send(phone, code, self.verification_channel, network=network)
        except VerifyError as error:
            logger.warning("allauth's code was not sent: %s (%s)", error, error.code)
            if not self._is_secret(request, phone, error):
                self._refuse(request, sentences.of_error(error, phone), error)

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Say what is the case where allauth would say that a code was sent."""
        refused = getattr(request, _REFUSED, "")
        if refused and message_template in _SENT:
            level, message_template, args = messages.ERROR, None, ()
            kwargs = {"message": refused}
        shown: Any = super()
        shown.add_message(request, level, message_template, *args, **kwargs)

    def _is_secret(self, request: HttpRequest, phone: str, error: VerifyError) -> bool:
        """Whether a refusal is kept from a visitor, who could tell by it whose number it is.

        Nothing is sent, and so nothing refused, to a number of nobody at a log-in, and to one of
        an account at a sign-up; what is used up anybody can use up.
        """
        visitor = getattr(request, "user", None)
        if not app_settings.PREVENT_ENUMERATION or getattr(visitor, "is_authenticated", False):
            return False
        adapter: Any = self
        used_up = 429
        return error.status == used_up or adapter.get_user_by_phone(phone) is not None

    def _refuse(self, request: HttpRequest, sentence: str, error: VerifyError) -> None:
        if is_headless_request(request):
            reason = {"code": refusals.reason_of(error), "message": sentence, "param": "phone"}
            status = error.status if error.status < 500 else 503
            body = {"status": status, "errors": [reason]}
            raise ImmediateHttpResponse(JsonResponse(body, status=status, headers=error.headers))
        setattr(request, _REFUSED, sentence)


class VerifyAccountAdapter(VerifySmsMixin, DefaultAccountAdapter):
    """`ACCOUNT_ADAPTER` of a site that keeps verified numbers in `django_verify.users`.

    Only a verified number leads to a user: one that a visitor merely claimed at a sign-up keeps
    nobody else from it.
    """

    def set_phone(self, user: AbstractBaseUser, phone: str, verified: bool) -> None:
        """Note a number that the user is about to verify, in place of the one of before."""
        _numbers().claim(user, phone, replaces=_other(user, phone))
        if verified:
            self.set_phone_verified(user, phone)

    def get_phone(self, user: AbstractBaseUser) -> tuple[str, bool] | None:
        """Return the user's number and whether it is verified; one that is goes first."""
        found = _numbers().primary(user)
        if found is not None:
            return found.e164, True
        pending = _numbers().pending(user)
        return None if pending is None else (pending.e164, False)

    def set_phone_verified(self, user: AbstractBaseUser, phone: str) -> None:
        """Keep the number as the user's only one, and approve the verification."""
        sending.approve(phone)
        numbers = _numbers()
        numbers.claim(user, phone, replaces=_other(user, phone))
        try:
            numbers.confirm(user, phone, channel=self.verification_channel)
        except numbers.ClaimRefused as refused:
            raise ImmediateHttpResponse(self._taken(context.request, refused)) from None

    def get_user_by_phone(self, phone: str) -> AbstractBaseUser | None:
        """Return the user who has verified the number."""
        found = _numbers().holder(phone)
        return None if found is None else found.user

    def _taken(self, request: HttpRequest, refused: Any) -> Any:
        """Return the answer where another user has verified the number in the meantime."""
        (sentence,) = sentences.of_refusals([refused.reason])
        if is_headless_request(request):
            reason = {"code": refused.reason, "message": sentence, "param": "phone"}
            return JsonResponse({"status": 409, "errors": [reason]}, status=409)
        super().add_message(request, messages.ERROR, message=sentence)
        return HttpResponseRedirect(request.path)


def _numbers() -> Any:
    """Return the verbs of `users`, an app that not every site installs."""
    from django_verify.users import verified_phones  # noqa: PLC0415 - it has models

    return verified_phones


def _other(user: AbstractBaseUser, phone: str) -> Any:
    """Return the verified number that this one is to replace."""
    found = _numbers().primary(user)
    return None if found is None or found.key == phones.read(phone).key else found
