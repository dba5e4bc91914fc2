"""Cryptography: codes and the keys that derive them, and the signed tokens of JOSE.

No table is here; the signatures of events are in `events`, those of providers in `senders`.
"""

from typing import TYPE_CHECKING

from django_verify import lazy

if TYPE_CHECKING:
    from django_verify.crypto import primitives
else:
    primitives = lazy.module("django_verify.crypto.primitives")

__all__ = ["primitives"]
