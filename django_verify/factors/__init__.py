"""The kinds of factors by name; one kind is one file in this package."""

from __future__ import annotations

from django_verify.exceptions import InvalidFactorParameter
from django_verify.factors.base import FactorKind, Proof
from django_verify.factors.passkey_options import Passkeys
from django_verify.factors.push import Push
from django_verify.factors.totp import Totp

__all__ = ["KINDS", "FactorKind", "Proof", "get"]

KINDS: dict[str, FactorKind] = {kind.name: kind for kind in (Push(), Totp(), Passkeys())}


def get(name: str) -> FactorKind:
    """Return one kind. Raises InvalidFactorParameter for an unknown one."""
    try:
        return KINDS[name]
    except KeyError:
        reason = f"it must be one of {', '.join(KINDS)}"
        raise InvalidFactorParameter("factor_type", reason) from None
