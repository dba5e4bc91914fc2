"""Verifications: start, check, fetch, approve, cancel, expire and release one.

The verbs are in `verbs` and `endings`, and for asynchronous code in `asynchronous`; the other
modules are what they are made of. How a message is written is in `messages`, how it is sent in
`delivery`.
"""

from django_verify.verifications.asynchronous import aapprove, acancel, acheck, afetch, astart
from django_verify.verifications.endings import approve, cancel, expire, release, unlock
from django_verify.verifications.request import StartRequest
from django_verify.verifications.verbs import check, fetch, start

__all__ = [
    "StartRequest",
    "aapprove",
    "acancel",
    "acheck",
    "afetch",
    "approve",
    "astart",
    "cancel",
    "check",
    "expire",
    "fetch",
    "release",
    "start",
    "unlock",
]
