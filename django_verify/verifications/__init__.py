"""Verifications: start, check, fetch, approve, cancel, expire and release one.

The verbs are in `verbs`; the other modules are what they are made of. How a message is
written is in `messages`, how it is sent in `delivery`.
"""

from django_verify.verifications.request import StartRequest
from django_verify.verifications.verbs import (
    approve,
    cancel,
    check,
    expire,
    fetch,
    release,
    start,
    unlock,
)

__all__ = [
    "StartRequest",
    "approve",
    "cancel",
    "check",
    "expire",
    "fetch",
    "release",
    "start",
    "unlock",
]
