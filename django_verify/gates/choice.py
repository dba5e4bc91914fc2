"""One gate that chooses among several by the token's prefix: for a site with pages and apps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.checks import CheckMessage
from django.views.decorators.debug import sensitive_variables

from django_verify.conf.backends import load
from django_verify.exceptions import GateRefused
from django_verify.gates.base import Gate, Result


class ChoiceGate(Gate):
    """Takes `<name>:<token>`; `gates` are names with a BACKEND and OPTIONS each."""

    name = "choice"
    longest = 20_000

    def __init__(self, *, gates: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        if not gates:
            raise ValueError("gates is empty")
        self.gates = {name: load(entry, repr(name), Gate) for name, entry in gates.items()}
        self.development = any(gate.development for gate in self.gates.values())

    @sensitive_variables()
    def verify(self, token: str, *, remote_ip: str, action: str, subject: str) -> Result:
        """Ask the gate that the token names."""
        name, rest = self._named(self.presented(token))
        if name not in self.gates:
            raise GateRefused("invalid")
        asked = self.gates[name]
        result = asked.verify(rest, remote_ip=remote_ip, action=action, subject=subject)
        return Result(f"{name}:{result.token_key}", result.lifetime)

    @sensitive_variables()
    def fails_open(self, token: str) -> bool:
        """Leave it to the gate that the token names."""
        name, rest = self._named(token)
        return name in self.gates and self.gates[name].fails_open(rest)

    @staticmethod
    def _named(token: str) -> tuple[str, str]:
        name, _, rest = token.partition(":")
        return name, rest

    def check(self) -> Iterable[CheckMessage]:
        """Return what is wrong with the options of each."""
        for gate in self.gates.values():
            yield from gate.check()
