"""The base class of gates: each verifies a token and returns a result.

To add one: one file beside this one, with a subclass of `Gate`. Its options are the keyword
parameters of its `__init__`; the contract tests find it by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.core.checks import CheckMessage
from django.views.decorators.debug import sensitive_variables

from django_verify.exceptions import GateRefused

# Providers' tokens are of these; anything else could make a provider stumble.
_PRINTABLE = re.compile(r"[!-~]+\Z")


@dataclass(frozen=True, slots=True)
class Result:
    """The caller may pass, once.

    `token_key` is the same for every spelling of one token; after `lifetime` seconds the token
    expires by itself.
    """

    token_key: str = field(repr=False)
    lifetime: int = 600


class Gate:
    """One configured gate.

    `development` marks one that keeps nobody out; the deploy check refuses it. With
    `fail_open` callers pass while the provider does not answer.
    """

    name = ""
    development = False
    #: The template of the widget that a page shows, and its public key; empty: there is no widget.
    widget = ""
    site_key = ""
    #: The longest token that is looked at, in characters.
    longest = 8192

    def __init__(self, *, fail_open: bool = False) -> None:
        self.fail_open = fail_open

    def verify(self, token: str, *, remote_ip: str, action: str, subject: str) -> Result:
        """Return the result for a token; raise GateRefused, or GateUnavailable where there is none.

        `action` is what the caller is about to do, such as `start`, and `subject` the recipient as
        the caller gave it. Writes nothing: `admission` sees to it that a token works once.
        """
        raise NotImplementedError

    def fails_open(self, token: str) -> bool:
        """Whether the bearer of this token passes while the provider does not answer."""
        return self.fail_open

    def check(self) -> Iterable[CheckMessage]:
        """Return what is wrong with the options, for Django's system checks."""
        return ()

    @sensitive_variables()
    def presented(self, token: str) -> str:
        """Return the token, of a size and of characters that a provider may be asked about."""
        if not token:
            raise GateRefused("missing")
        if len(token) > self.longest or not _PRINTABLE.match(token):
            raise GateRefused("invalid")
        return token
