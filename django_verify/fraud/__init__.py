"""The guard: whether a start is worth its message, by country, number, and what has been seen.

How often one caller may ask is in `limits`, how often one recipient may be guessed at in
`verifications`; nothing is sent here.
"""

from django_verify.fraud import outcomes  # noqa: F401 - its receivers
from django_verify.fraud.asked import Asked, Decision
from django_verify.fraud.decisions import charge, may_write, record
from django_verify.fraud.policies import Policy, allow, demand, follow, veto
from django_verify.fraud.verbs import allowed, block_of, countries, decide, forget, refresh

__all__ = [
    "Asked",
    "Decision",
    "Policy",
    "allow",
    "allowed",
    "block_of",
    "charge",
    "countries",
    "decide",
    "demand",
    "follow",
    "forget",
    "may_write",
    "record",
    "refresh",
    "veto",
]
