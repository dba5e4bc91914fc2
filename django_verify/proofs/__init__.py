"""Proofs of an approval: signed tokens, the keys that sign them, and their single use.

Who is given a proof, and when, is decided in `verifications`.
"""

from django_verify.proofs.tokens import (
    REASONS,
    Proof,
    ProofRefused,
    consume,
    issue,
    read,
    redeem,
)

__all__ = [
    "REASONS",
    "Proof",
    "ProofRefused",
    "consume",
    "issue",
    "read",
    "redeem",
]
