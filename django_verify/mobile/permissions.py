"""REST framework's permission for requests that bring a proof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from django_verify import proofs
from django_verify.mobile.wire import database_failures, hide_parameters
from django_verify.proofs import ProofRefused

# Django's error mail shows every header but those whose names hold a word such as this last one.
HEADER = "Verify-Proof-Token"
MEMBER = "proof"


class HasProof(BasePermission):
    """Lets a request pass with a proof for `purpose`, in the header or the body's `proof`.

    The proof is then `request.proof`. Safe methods leave it unused. A refusal is 403 with the
    reason as its code, for visitors too, to whom REST framework would only ask to log in.
    """

    purpose = ""
    audience: str | None = None
    allow_test = False

    @classmethod
    def for_purpose(cls, purpose: str) -> type[HasProof]:
        """Return the permission for a purpose, for a view's list of permissions."""
        return type(cls.__name__, (cls,), {"purpose": purpose, "__module__": cls.__module__})

    def nonce(self, request: Request) -> str | None:
        """Return the nonce that the proof must have; None asks for none, an empty one refuses."""
        return None

    @sensitive_variables()
    def has_permission(self, request: Request, view: Any) -> bool:
        """Check the proof, and use it up; raises PermissionDenied where it is refused."""
        if not self.purpose:
            raise ImproperlyConfigured(f"{type(self).__name__} names no purpose.")
        # The request's own method: the browsable API asks what other methods would be allowed.
        safe = request.META["REQUEST_METHOD"] in SAFE_METHODS
        hide_parameters(request)
        take = proofs.read if safe else proofs.redeem
        try:
            with database_failures():
                proof = take(
                    _token(request),
                    purpose=self.purpose,
                    audience=self.audience,
                    nonce=self.nonce(request),
                    allow_test=self.allow_test,
                )
        except ProofRefused as refused:
            raise PermissionDenied(str(refused), refused.reason) from None
        request.proof = proof  # type: ignore[attr-defined]
        return True


def _token(request: Request) -> object:
    if HEADER in request.headers:
        return request.headers[HEADER]
    body = request.data
    return body.get(MEMBER) if isinstance(body, Mapping) else None
