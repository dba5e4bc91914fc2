"""Silent network authentication: the device opens a URL on mobile data, the carrier knows the SIM.

What differs between carriers' gateways is a `Provider`; `Simulator` stands in for one in
development. No code is sent: the result is a number on the attempt, 0 for a match.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.db import router
from django.utils import timezone

from django_verify import sids
from django_verify.conf.backends import Backends
from django_verify.crypto import codes
from django_verify.db import retry
from django_verify.exceptions import Noted, SnaFailed
from django_verify.logs import logger
from django_verify.models import VerificationAttempt

MATCH = 0
MISMATCH = Noted.SNA_MISMATCH
PENDING = Noted.SNA_PENDING
URL_FAILED = Noted.SNA_URL_FAILED
# Stands in the place of a client token's hash until the URL was opened; matches no token.
TOKEN_DEMANDED = "demanded"  # noqa: S105 - a mark, no secret
URL_LIFETIME = dt.timedelta(minutes=10)


class Provider:
    """One gateway to the carriers.

    Its options are the keyword parameters of its `__init__`. `development` marks one that knows
    no carrier, which the deploy check refuses; `client_tokens` one whose URL answers with a token.
    """

    development = False
    client_tokens = False

    def supports(self, number: str, device_ip: str) -> bool:
        """Whether the number's carrier takes part, as far as is known before trying."""
        raise NotImplementedError

    def url(self, attempt_sid: str, token: str, number: str) -> str:
        """Return the URL for the device, absolute or relative to the API's root.

        It works once, and `token` in it is known to nobody else.
        """
        raise NotImplementedError

    def result(self, attempt_sid: str, number: str) -> int | None:
        """Return 0 for a match, an error number of the 605xx range, or None while it is open."""
        raise NotImplementedError

    def token_matches(self, attempt_sid: str, token: str) -> bool:
        """Whether the URL of an attempt answered with this token; asked with `client_tokens`."""
        raise NotImplementedError


class Simulator(Provider):
    """Every number matches but those in `errors`, number to 605xx; our own view serves the URL."""

    development = True
    client_tokens = True

    def __init__(
        self, *, carrier: str = "Simulated Mobile", errors: Mapping[str, int] | None = None
    ) -> None:
        self.carrier = carrier
        self.errors = dict(errors or {})

    def supports(self, number: str, device_ip: str) -> bool:
        """Take part whenever the device's IP is known."""
        return bool(device_ip)

    def url(self, attempt_sid: str, token: str, number: str) -> str:
        """Return the URL of the view that answers for the simulated carrier."""
        return f"Sna/{attempt_sid}/{token}"

    def result(self, attempt_sid: str, number: str) -> int | None:
        """Nothing more is known than the view has recorded."""
        return None

    def token_matches(self, attempt_sid: str, token: str) -> bool:
        """Compare with the hash of the token that the view answered with."""
        stored = _attempts().values_list("sna_client_token_hash", flat=True).get(sid=attempt_sid)
        return codes.secret_matches(stored, token)

    def answer(self, number: str) -> int:
        """Return the simulated carrier's answer to the device that opens the URL."""
        return self.errors.get(number, MATCH)


_backends = Backends("SNA", Provider)


def configured() -> Provider | None:
    """Return the provider of DJANGO_VERIFY["SNA"], or None. Raises ImproperlyConfigured."""
    return _backends.single


def mint(attempt_sid: str, number: str) -> str:
    """Return a new URL for an attempt. Raises SnaFailed."""
    provider = configured()
    try:
        assert provider is not None  # noqa: S101 - the channel is offered only with one
        return provider.url(attempt_sid, secrets.token_urlsafe(24), number)
    except Exception as error:  # noqa: BLE001 - a gateway's bug is no bug of the caller
        logger.warning("the SNA provider failed: %s", type(error).__name__)
        raise SnaFailed from None


def serve(attempt_sid: str, token: str) -> str:
    """Answer the device as the simulated carrier: one line of URL-encoded fields.

    The first call records the result, any other and a strange token get an error.
    """
    provider = configured()
    if not (isinstance(provider, Simulator) and sids.is_sid("VL", attempt_sid)):
        return _line(URL_FAILED, "Unknown URL")
    attempt = _attempts().select_related("verification").filter(sid=attempt_sid).first()
    if attempt is None:
        return _line(URL_FAILED, "Unknown URL")
    now = timezone.now()
    # In constant time: the token in the URL is all that proves the device.
    known = codes.matches(attempt.sna_url, provider.url(attempt.sid, token, ""))
    if not known or attempt.verification.is_over(now) or now >= attempt.date_created + URL_LIFETIME:
        return _line(URL_FAILED, "Unknown URL")
    error = provider.answer(attempt.verification.to)
    # Made now, so that nobody knows it but the device that has opened the URL.
    client_token = codes.new_secret() if attempt.sna_client_token_hash else ""
    changes: dict[str, Any] = {"sna_error_code": error, "date_updated": now}
    if client_token:
        changes["sna_client_token_hash"] = codes.hash_secret(client_token)
    unused = _attempts().filter(sid=attempt.sid, sna_error_code=None)
    # Of two that open the URL, the first one's update matches the row.
    if not retry.alone(unused.update, **changes):
        return _line(URL_FAILED, "The URL was used")
    fields = {"Carrier": provider.carrier} | (
        {"SnaClientToken": client_token} if client_token else {}
    )
    return _line(error, "Success" if error == MATCH else "Failed", **fields)


def is_matched(verification_sid: str, number: str, client_token: str) -> bool:
    """Whether the latest sna attempt of a verification matched; asks the provider if it is open.

    Where the start demanded a client token, it must be the one that the URL answered with.
    """
    rows = _attempts().filter(verification_id=verification_sid, channel="sna")
    attempt = rows.order_by("-sid").first()
    if attempt is None:
        return False
    provider = configured()
    if provider is None:
        return False
    if attempt.sna_error_code is None:
        attempt.sna_error_code = _result(provider, attempt.sid, number)
        if attempt.sna_error_code is not None:
            # The first result stands, also where two checks ask the gateway at one moment.
            unused = _attempts().filter(sid=attempt.sid, sna_error_code=None)
            retry.alone(
                unused.update, sna_error_code=attempt.sna_error_code, date_updated=timezone.now()
            )
    if attempt.sna_error_code != MATCH:
        return False
    return not attempt.sna_client_token_hash or provider.token_matches(attempt.sid, client_token)


def supports(number: str, device_ip: str) -> bool:
    """Whether there is a provider and it supports the number; a failing one does not."""
    provider = configured()
    try:
        return provider is not None and provider.supports(number, device_ip)
    except Exception as error:  # noqa: BLE001 - a gateway's bug is no bug of the caller
        logger.warning("the SNA provider failed: %s", type(error).__name__)
        return False


def _result(provider: Provider, attempt_sid: str, number: str) -> int | None:
    try:
        return provider.result(attempt_sid, number)
    except Exception as error:  # noqa: BLE001 - the result stays open, and the check reports it
        logger.warning("the SNA provider failed: %s", type(error).__name__)
        return None


def error_codes(verification_sid: str) -> list[dict[str, Any]]:
    """Return the errors of a verification's sna attempts, oldest first, as a check answers them."""
    rows = _attempts().filter(verification_id=verification_sid, channel="sna")
    return [
        {
            "attempt_sid": row.sid,
            "code": int(PENDING) if row.sna_error_code is None else row.sna_error_code,
        }
        for row in rows.order_by("sid")
        if row.sna_error_code != MATCH
    ]


def _attempts() -> Any:
    return VerificationAttempt.objects.using(router.db_for_write(VerificationAttempt))


def _line(code: int, description: str, **fields: str) -> str:
    return urlencode({"ErrorCode": int(code), "ErrorDescription": description, **fields})
