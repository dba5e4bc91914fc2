"""Verifies tokens of Cloudflare Turnstile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django_verify.exceptions import GateRefused
from django_verify.gates.siteverify import SiteVerifyGate, named


class TurnstileGate(SiteVerifyGate):
    """The widget's `action` must be that of the request, or the one that the option names.

    An empty `action` leaves it alone. With a `sitekey` the web flow shows the widget.
    """

    name = "turnstile"
    url = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
    longest = 2048
    open_secret = "1x0000000000000000000000000000000AA"  # noqa: S105 - of the documentation
    refusals = {"timeout-or-duplicate": "expired", "missing-input-response": "missing"}

    def __init__(
        self,
        *,
        secret: str,
        sitekey: str | None = None,
        hostnames: Sequence[str] = (),
        action: str | None = None,
        endpoint: str = "",
        fail_open: bool = False,
    ) -> None:
        super().__init__(secret=secret, hostnames=hostnames, endpoint=endpoint, fail_open=fail_open)
        self.action = action
        if sitekey is not None:
            self.site_key, self.widget = named(sitekey), self.name

    def inspect(self, answer: Mapping[str, Any], action: str) -> None:
        """Compare the action."""
        wanted = action if self.action is None else self.action
        if wanted and answer.get("action") != wanted:
            raise GateRefused("wrong_action")
