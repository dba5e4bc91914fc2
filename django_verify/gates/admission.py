"""Admission of callers without credentials: the gate's result, and each token once.

Runs before any row or send; what a gate looks at is in `gates`.
"""

from __future__ import annotations

import datetime as dt

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_verify import gates
from django_verify.exceptions import GateRefused, GateUnavailable
from django_verify.logs import logger
from django_verify.proofs import single_use


@sensitive_variables()
def admit(token: str, *, remote_ip: str, action: str, subject: str) -> None:
    """Let the caller in, or raise GateRefused or GateUnavailable; without a gate all are let in.

    A token is used up by the first who is let in with it. While the provider is down a gate with
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
    expires_at = timezone.now() + dt.timedelta(seconds=result.lifetime)
    if not single_use.consume("gate", result.token_key, expires_at):
        raise GateRefused("used")
