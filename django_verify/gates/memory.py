"""Lets in callers with the password: for development and tests, as Django's locmem backends are."""

from __future__ import annotations

from django.views.decorators.debug import sensitive_variables

from django_verify.exceptions import GateRefused, GateUnavailable
from django_verify.gates.base import Gate, Result

#: The actions that callers of this process were verified for, oldest first; tests clear it.
asked: list[dict[str, str]] = []


#: The token that stands for a provider that does not answer.
DOWN = "down"


class MemoryGate(Gate):
    """Takes tokens that begin with `password`."""

    name = "memory"
    development = True
    widget = "memory"

    def __init__(self, *, password: str = "open", fail_open: bool = False) -> None:  # noqa: S107 - for development
        super().__init__(fail_open=fail_open)
        self._password = password

    @sensitive_variables()
    def verify(self, token: str, *, remote_ip: str, action: str, subject: str) -> Result:
        """Compare the token with the password."""
        asked.append({"remote_ip": remote_ip, "action": action, "subject": subject})
        token = self.presented(token)
        if token == DOWN:
            raise GateUnavailable
        if not token.startswith(self._password):
            raise GateRefused("invalid")
        return Result(token)
