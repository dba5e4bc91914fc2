"""Bot protection in front of callers without credentials: the configured gate.

One provider is one file in this package; this one holds only the look-up. That a token works once
is seen to by `admission`.
"""

from __future__ import annotations

from django_verify.conf.backends import Backends
from django_verify.gates.base import Gate, Result

__all__ = ["Gate", "Result", "configured"]


_backends = Backends("BOT_PROTECTION", Gate)


def configured() -> Gate | None:
    """Return the gate of DJANGO_VERIFY["BOT_PROTECTION"]; None where callers pass none.

    Raises ImproperlyConfigured for a backend that does not import or options it does not know.
    """
    return _backends.single
