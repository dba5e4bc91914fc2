"""Verifies tokens of Google reCAPTCHA, v3 with a score or v2 without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django_verify.exceptions import GateRefused
from django_verify.gates.siteverify import SiteVerifyGate, named


class RecaptchaGate(SiteVerifyGate):
    """With a `minimum_score` (v3) the action must be the request's own, or that of the option.

    For v2, whose answers have neither, `minimum_score` is None. An empty `action` leaves it alone.
    With a `sitekey` the web flow shows the widget of v2; that of v3 needs a script of the site's.
    """

    name = "recaptcha"
    url = "https://www.google.com/recaptcha/api/siteverify"
    tokens_live = 120
    open_secret = "6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe"  # noqa: S105 - of the documentation
    refusals = {"timeout-or-duplicate": "expired", "missing-input-response": "missing"}

    def __init__(
        self,
        *,
        secret: str,
        minimum_score: float | None = 0.5,
        sitekey: str | None = None,
        hostnames: Sequence[str] = (),
        action: str | None = None,
        endpoint: str = "",
        fail_open: bool = False,
    ) -> None:
        super().__init__(secret=secret, hostnames=hostnames, endpoint=endpoint, fail_open=fail_open)
        if minimum_score is not None and not 0 < minimum_score <= 1:
            raise ValueError("minimum_score is above 0 and at most 1, or None")
        self.minimum_score, self.action = minimum_score, action
        if sitekey is not None:
            self.site_key = named(sitekey)
            self.widget = self.name if minimum_score is None else ""

    def inspect(self, answer: Mapping[str, Any], action: str) -> None:
        """Compare the action, and the score with the least that will do."""
        if self.minimum_score is None:
            return
        wanted = action if self.action is None else self.action
        if wanted and answer.get("action") != wanted:
            raise GateRefused("wrong_action")
        score: Any = answer.get("score")
        # Written so that a NaN, which Python takes for JSON, is refused as well.
        if not (type(score) in {int, float} and score >= self.minimum_score):
            raise GateRefused("low_score")
