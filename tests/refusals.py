"""Every refusal that the Python API can raise, as a site's own views meet them."""

import inspect

from django_verify import exceptions
from django_verify.proofs import REASONS, ProofRefused
from django_verify.signals import NotRecorded
from django_verify.users import recording, verified_phones
from django_verify.verifications import clients, offers


def made(kind):
    """One of a kind; those that take words are given some."""
    needed = [
        name
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if parameter.default is parameter.empty and name not in {"self", "args", "kwargs"}
    ]
    return kind(*[{"parameter": "to", "reason": "is not right"}.get(n, "word") for n in needed])


def _kinds(*modules):
    found = [kind for module in modules for kind in vars(module).values() if inspect.isclass(kind)]
    for base in (exceptions.VerifyError, NotRecorded):
        yield from {kind for kind in found if issubclass(kind, base)} - {exceptions.VerifyError}


def every():
    """One refusal of each kind, and of proofs one for each reason."""
    kinds = set(_kinds(exceptions, clients, offers, verified_phones, recording))
    yield from (made(kind) for kind in sorted(kinds, key=lambda kind: kind.__name__))
    yield from (ProofRefused(reason) for reason in REASONS)
    yield exceptions.TooManyRequests(retry_after=40, limit="network")
    yield exceptions.MaxChecksReached(retry_after=3600)
    yield clients.VerificationOver("expired")


def named(error):
    """A name for the error's test."""
    return f"{type(error).__name__}-{getattr(error, 'reason', '') or getattr(error, 'ending', '')}"
