"""Codes that a test knows beforehand, in place of those that are derived under the site's key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django_verify.crypto import codes
from django_verify.emulator.options import RANDOM, RECIPIENT


def install(rule: str, by_service: Mapping[str, str]) -> None:
    """Have every code follow a rule of `Options.code`; a service's own comes first.

    A code that the caller chose stays the caller's. A fixed code is as long as it is, whatever the
    service's code length.
    """
    derived = codes.reveal

    def reveal(row: Any) -> str:
        if row.sealed_code:
            return derived(row)
        if fixed := by_service.get(row.service_id):
            return fixed
        if rule == RECIPIENT:
            return from_recipient(row.to, row.code_length)
        return derived(row) if rule == RANDOM else rule

    module: Any = codes
    module.reveal = reveal


def from_recipient(to: str, length: int) -> str:
    """Return the last digits of a number or an address, after zeros where it has too few."""
    digits = re.sub(r"[^0-9]", "", to)
    return digits[-length:].rjust(length, "0")
