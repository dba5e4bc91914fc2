"""Verifies tokens of hCaptcha."""

from __future__ import annotations

from collections.abc import Sequence

from django_verify.gates.siteverify import SiteVerifyGate, named


class HCaptchaGate(SiteVerifyGate):
    """Takes the tokens of one site key; `hostnames` do not hold for the SDKs of apps."""

    name = "hcaptcha"
    url = "https://api.hcaptcha.com/siteverify"
    tokens_live = 120
    open_secret = "0x0000000000000000000000000000000000000000"  # noqa: S105 - of the documentation
    refusals = {
        "missing-input-response": "missing",
        "expired-input-response": "expired",
        "already-seen-response": "used",
        "invalid-or-already-seen-response": "used",
        "sitekey-secret-mismatch": "wrong_site",
    }

    def __init__(
        self,
        *,
        secret: str,
        sitekey: str,
        hostnames: Sequence[str] = (),
        endpoint: str = "",
        fail_open: bool = False,
    ) -> None:
        super().__init__(secret=secret, hostnames=hostnames, endpoint=endpoint, fail_open=fail_open)
        self.site_key, self.widget = named(sitekey), self.name

    def form(self, token: str) -> dict[str, str]:
        """Name the site key: tokens of another one are refused."""
        return {**super().form(token), "sitekey": self.site_key}
