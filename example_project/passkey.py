"""Passkeys on the Python API: a page that registers one, and what the page's script calls.

Each half of a ceremony is one call: the first says what the browser is to be asked, the second
takes what it answered. The answer names its ceremony, so the session remembers nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from django_verify import factors
from django_verify.exceptions import (
    ChallengeExpired,
    FactorUnverified,
    InvalidParameter,
    InvalidRelyingParty,
    InvalidRelyingPartyId,
    MalformedRequest,
    MissingCriteria,
    NotFound,
    PasskeyEntityNotFound,
    PasskeyNotFound,
    PasskeyRegistrationOver,
    VerifyError,
)
from django_verify.factors import entities, passkeys
from django_verify.factors.passkey_options import decoded
from django_verify.models import Factor, VerifyService
from example_project import visitor

View = Callable[[HttpRequest, VerifyService, dict[str, Any]], dict[str, Any]]

_LATE = "That took too long. Please try again."
_NOT_OURS = "That is not a passkey of this site."
_NOT_READY = "Passkeys are not set up: the service has no relying party."
_UNKNOWN = "No passkey of this name is known here."
_SENTENCES: dict[type[VerifyError], str] = {
    ChallengeExpired: _LATE,
    FactorUnverified: _UNKNOWN,
    InvalidRelyingParty: _NOT_READY,
    InvalidRelyingPartyId: _NOT_READY,
    MissingCriteria: _NOT_READY,
    PasskeyEntityNotFound: _UNKNOWN,
    PasskeyNotFound: _NOT_OURS,
    PasskeyRegistrationOver: _LATE,
}


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show how many passkeys the visitor has, and offer to register one."""
    service = visitor.service()
    if service is None:
        return redirect("verify_web:start")
    name = request.session.get(visitor.IDENTITY)
    mine = entities.rows().filter(
        service=service,
        entity__identity=name,
        factor_type=Factor.Type.PASSKEYS,
        status=Factor.Status.VERIFIED,
    )
    host, _, port = request.get_host().partition(":")
    context = {
        "ready": bool(service.passkeys_relying_party_id),
        "elsewhere": f"http://localhost:{port}{request.path}" if host == "127.0.0.1" else "",
        "identity": name,
        "count": mine.count() if name else 0,
    }
    return render(request, "passkey.html", context)


def for_script(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """Give a view the JSON that was sent; it returns JSON, or raises an error to answer."""

    # An answer is charged before it is verified, and no rollback may undo that.
    @transaction.non_atomic_requests
    @never_cache
    @require_POST
    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        try:
            service = visitor.service()
            if service is None:
                raise NotFound
            return JsonResponse(view(request, service, _members(request.body)))
        except VerifyError as error:
            return JsonResponse({"error": _sentence(error)}, status=error.status)

    return answer


@for_script
def register(request: HttpRequest, service: VerifyService, sent: dict[str, Any]) -> dict[str, Any]:
    """Return what `navigator.credentials.create` is asked for the visitor."""
    name = visitor.identity(request)
    factor = passkeys.enrol(service, name, name, config={})
    return factors.get(factor.factor_type).options(factor) or {}


@for_script
def verify(request: HttpRequest, service: VerifyService, sent: dict[str, Any]) -> dict[str, Any]:
    """Verify the new passkey, and return where to go on."""
    response = sent.get("response")
    attestation = passkeys.Attestation(
        client_data=_bytes(response, "clientDataJSON"),
        attestation_object=_bytes(response, "attestationObject"),
        credential_id=_bytes(sent, "rawId"),
        transports=_texts(response, "transports"),
    )
    passkeys.verify(service, attestation)
    messages.success(request, "Your passkey is registered.")
    return {"next": reverse("passkey")}


@for_script
def challenge(request: HttpRequest, service: VerifyService, sent: dict[str, Any]) -> dict[str, Any]:
    """Return what `navigator.credentials.get` is asked: for a name, or for any passkey."""
    challenge = passkeys.challenge(service, identity=str(sent.get("identity", "")))
    return dict(challenge.options or {})


@for_script
def approve(request: HttpRequest, service: VerifyService, sent: dict[str, Any]) -> dict[str, Any]:
    """Sign the owner of the passkey in, and return where to go on."""
    response = sent.get("response")
    assertion = passkeys.Assertion(
        client_data=_bytes(response, "clientDataJSON"),
        authenticator_data=_bytes(response, "authenticatorData"),
        signature=_bytes(response, "signature"),
        credential_id=_bytes(sent, "rawId"),
        user_handle=_bytes(response, "userHandle", required=False),
    )
    approved = passkeys.approve(service, assertion)
    if approved.entity is None:
        raise PasskeyNotFound
    visitor.sign_in(request, approved.entity, "your passkey")
    return {"next": reverse("sign-in")}


def _members(body: bytes) -> dict[str, Any]:
    try:
        sent = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise MalformedRequest from None
    if not isinstance(sent, dict):
        raise MalformedRequest
    return sent


def _bytes(members: Any, name: str, *, required: bool = True) -> bytes:
    """Return the bytes of a member in base64url. Raises InvalidParameter."""
    text = members.get(name) if isinstance(members, dict) else None
    if not text and not required:
        return b""
    try:
        return decoded(text) if isinstance(text, str) and text else _refuse(name)
    except ValueError:
        return _refuse(name)


def _texts(members: Any, name: str) -> list[str]:
    listed = members.get(name) if isinstance(members, dict) else None
    return [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []


def _sentence(error: VerifyError) -> str:
    """Return the sentence for a person; what is wrong with an answer is for developers."""
    answer_is_wrong = isinstance(error, InvalidParameter)
    return _SENTENCES.get(type(error), _NOT_OURS if answer_is_wrong else error.message)


def _refuse(name: str) -> bytes:
    raise InvalidParameter(name, "it must be base64url")
