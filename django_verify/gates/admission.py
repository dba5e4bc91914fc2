"""Admission of callers without credentials: the gate's result, and each token once.

Runs before any row or send; what a gate looks at is in `gates`.
"""

from __future__ import annotations

import datetime as dt

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import gates
from django_verify.exceptions import GateRefused, GateUnavailable
from django_verify.gates.base import KnownKey, NewKey
from django_verify.logs import logger
from django_verify.proofs import device_keys, single_use


@sensitive_variables()
def admit(token: str, *, remote_ip: str, action: str, subject: str) -> None:
    """Let the caller in, or raise GateRefused or GateUnavailable; without a gate all are let in.

    A token is used up by the first who is let in with it, and so is a statement of a device's key,
    by its counter. While the provider is down a gate with
    `fail_open` lets in all who show a token, and only then: a provider that does not know us,
    or whose answer cannot be read, opens nothing.
    """
    gate = gates.configured()
    if gate is None:
        return
    try:
        result = gate.verify(token, remote_ip=remote_ip, action=action, subject=subject)
    except GateUnavailable as error:
        if error.reason != "unavailable" or not gate.fails_open(token):
            raise
        logger.warning("The gate %s is down and fails open", gate.name)
        return
    if result.device_key is not None:
        _recognize(result.device_key)
        return
    expires_at = timezone.now() + dt.timedelta(seconds=result.lifetime)
    if not single_use.consume("gate", result.token_key, expires_at):
        raise GateRefused("used")


@sensitive_variables()
def _recognize(key: NewKey | KnownKey) -> None:
    """Keep a new key, or have a known one move on. Raises GateRefused."""
    if isinstance(key, NewKey):
        if not device_keys.keep(key.key_id, key.public_key):
            raise GateRefused("used")
        return
    public_key = device_keys.find(key.key_id)
    if public_key is None:
        raise GateRefused("unknown_key")
    if not key.is_signed_by(public_key):
        raise GateRefused("wrong_subject")
    if not device_keys.advance(key.key_id, key.counter):
        raise GateRefused("used")
