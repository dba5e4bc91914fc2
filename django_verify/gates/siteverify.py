"""What gates with a `siteverify` URL share: one form posted, one JSON answer verified.

A provider sets the URL, what its answer must hold besides `success`, and what its errors mean.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name of it
from django.views.decorators.debug import sensitive_variables

from django_verify.exceptions import GateRefused, GateUnavailable
from django_verify.gates.base import Gate, Result
from django_verify.logs import logger
from django_verify.net import client

_CODE = re.compile(r"[a-z0-9_-]{1,64}")
_BUSY = 429
# What errors about our keys, our test keys, our widget or our request have in their names; none of
# what a caller can do wrong is called so.
_OURS = re.compile(r"secret|key|dummy|widget|bad-request|remoteip")


class SiteVerifyGate(Gate):
    """A provider that verifies a token by one POST of a form.

    It overrides `url`, and `form` and `inspect` where it has more. `refusals` are its errors with
    our reasons; `tokens_live` the seconds for which it takes a token. `test_secrets` are those that
    its documentation has for tests: with them the provider decides alone, for the host, action and
    score in its answer are of no page, and the token may be the same each time.
    """

    url = ""
    tokens_live = 300
    refusals: Mapping[str, str] = {}
    test_secrets: Collection[str] = ()

    def __init__(
        self,
        *,
        secret: str,
        hostnames: Sequence[str] = (),
        endpoint: str = "",
        fail_open: bool = False,
    ) -> None:
        super().__init__(fail_open=fail_open)
        if isinstance(hostnames, str):
            raise TypeError("hostnames is a list of names")
        if not secret:
            raise ValueError("secret is empty")
        self._secret = secret
        self.development = secret in self.test_secrets
        self.hostnames = frozenset(name.lower() for name in hostnames)
        self.endpoint = endpoint or self.url

    @sensitive_variables()
    def verify(self, token: str, *, remote_ip: str, action: str, subject: str) -> Result:
        """Ask the provider once."""
        token = self.presented(token)
        answer = self._ask({**self.form(token), **({"remoteip": remote_ip} if remote_ip else {})})
        if answer["success"] is not True:
            self._refuse(answer.get("error-codes"))
        if self.development:
            return Result(f"{token}.{secrets.token_hex(8)}", 2 * self.tokens_live)
        hostname = answer.get("hostname")
        if self.hostnames and not (
            isinstance(hostname, str) and hostname.lower() in self.hostnames
        ):
            raise GateRefused("wrong_host")
        self.inspect(answer, action)
        return Result(token, 2 * self.tokens_live)

    def check(self) -> Iterable[CheckMessage]:
        """Warn where the tokens of any page will do that shows the site's widget."""
        if not self.hostnames:
            yield Warning(
                f"The gate {self.name!r} takes tokens of pages on any host.",
                hint="Name the hosts of your pages in the option hostnames.",
                id="django_verify.W043",
            )

    def form(self, token: str) -> dict[str, str]:
        """Return the form to post."""
        return {"secret": self._secret, "response": token}

    def inspect(self, answer: Mapping[str, Any], action: str) -> None:
        """Verify the other members of a good answer; raise GateRefused."""

    @sensitive_variables()
    def _ask(self, form: dict[str, str]) -> Mapping[str, Any]:
        try:
            answer = client.call("POST", self.endpoint, form=form)
        except client.TransportError as error:
            logger.error("The gate %s did not answer: %s", self.name, error)
            raise GateUnavailable from None
        if answer.status >= 500 or answer.status == _BUSY:
            logger.error("The gate %s answered %s", self.name, answer.status)
            raise GateUnavailable
        data = answer.object()
        if answer.status not in {200, 400} or not isinstance(data.get("success"), bool):
            logger.error("The gate %s gave an answer that cannot be read", self.name)
            raise GateUnavailable("unreadable")
        return data

    def _refuse(self, codes: object) -> None:
        texts = [c for c in codes if isinstance(c, str)] if isinstance(codes, list) else []
        codes = [c for c in texts if _CODE.fullmatch(c)]
        if any(_OURS.search(code) for code in codes):
            logger.error("The gate %s is misconfigured: %s", self.name, ", ".join(codes))
            raise GateUnavailable("misconfigured")
        if "internal-error" in codes:
            raise GateUnavailable
        reasons = [self.refusals[code] for code in codes if code in self.refusals]
        raise GateRefused(reasons[0] if reasons else "invalid")


def named(sitekey: str) -> str:
    """Return the public key of a widget. Raises ValueError for none."""
    if not sitekey:
        raise ValueError("sitekey is empty")
    return sitekey
