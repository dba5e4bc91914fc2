"""Authenticator apps: time-based one-time passwords after RFC 6238, of 3–8 digits.

Written on the standard library, because no library covers the contract's range of digits and
seeds.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hmac
import math
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from django.db.models import Case, F, Value, When
from django.views.decorators.debug import sensitive_variables

from django_verify.crypto import codes
from django_verify.exceptions import InvalidFactorParameter
from django_verify.factors.base import FactorKind, Proof
from django_verify.models import Challenge, Entity, Factor

#: Algorithm to the bytes of a new seed: as many as the hash gives, as RFC 6238 advises.
ALGORITHMS = {"sha1": 20, "sha256": 32, "sha512": 64}
SHORT = 4

_CODE = re.compile(r"[0-9]+\Z")
_SEED = re.compile(r"[A-Z2-7]{16,256}\Z")  # 80 bits and more
_HOUR, _DAY = dt.timedelta(hours=1), dt.timedelta(hours=24)


def code_at(seed: bytes, moment: int, *, time_step: int, digits: int, algorithm: str) -> str:
    """Return the code of the step that holds a moment, in seconds since 1970."""
    counter = (moment // time_step).to_bytes(8)
    digest = hmac.digest(seed, counter, algorithm)
    # RFC 4226, 5.3: the last four bits say where the 31 bits of the number begin.
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}d}"


def uri(secret: str, issuer: str, name: str, config: Mapping[str, Any]) -> str:
    """Return what an authenticator app scans; all five parameters, in the contract's order.

    A colon divides the label's two halves, so neither may hold one, not even in another spelling.
    """
    issuer, name = issuer.replace(":", "-"), name.replace(":", "-")
    label = f"{quote(issuer, safe='')}:{quote(name, safe='')}"
    return (
        f"otpauth://totp/{label}?secret={secret}&issuer={quote(issuer, safe='')}"
        f"&algorithm={config['alg'].upper()}&digits={config['code_length']}"
        f"&period={config['time_step']}"
    )


class Totp(FactorKind):
    """`config` has `alg`, `skew`, `code_length` and `time_step`; the seed is sealed, in base32."""

    name = Factor.Type.TOTP
    limit = 100
    guessable = True

    @sensitive_variables()
    def enrol(self, factor: Factor, entity: Entity, params: Mapping[str, Any]) -> None:
        """Take the caller's seed, or make one as long as the algorithm's hash."""
        service = factor.service
        factor.config = {
            "alg": params.get("config_alg", "sha1"),
            "skew": params.get("config_skew", service.totp_skew),
            "code_length": params.get("config_code_length", service.totp_code_length),
            "time_step": params.get("config_time_step", service.totp_time_step),
        }
        given = params.get("binding_secret", "")
        seed = _canonical(given) if given else _new_seed(factor.config["alg"])
        factor.sealed_secret = codes.seal(seed, bound_to=factor.sid, key_id=factor.key_id)
        # A seed that another entity has is no conflict: an error would reveal its owner.
        factor.binding_digest = codes.fingerprint("totp", entity.sid, seed)

    def configure(self, factor: Factor, params: Mapping[str, Any]) -> None:
        """Change algorithm, skew, length or step; the seed stays."""
        names = ("alg", "skew", "code_length", "time_step")
        changes = {n: params[f"config_{n}"] for n in names if f"config_{n}" in params}
        factor.config = {**factor.config, **changes}

    @sensitive_variables()
    def binding(self, factor: Factor) -> dict[str, Any]:
        """Return the seed, and the URI that holds it."""
        secret = _seed(factor)
        issuer = factor.service.totp_issuer or factor.service.friendly_name
        return {"secret": secret, "uri": uri(secret, issuer, factor.friendly_name, factor.config)}

    @sensitive_variables()
    def typed(self, payload: str) -> str:
        """Return the digits, of any script, without what apps and people put between them."""
        return codes.without_spacing(payload)

    def read(self, factor: Factor, payload: str) -> None:
        """Refuse all but so many ASCII digits."""
        digits = factor.config["code_length"]
        if len(payload) != digits or not _CODE.match(payload):
            raise InvalidFactorParameter("auth_payload", f"it has {digits} digits")

    def challenge_limits(self, factor: Factor) -> Sequence[tuple[int, dt.timedelta]]:
        """Return the vendor's limits; short codes are asked less often."""
        if factor.config["code_length"] <= SHORT:
            return ((10, _DAY),)
        return ((50, _HOUR), (100, _DAY))

    @sensitive_variables()
    def prove(
        self, factor: Factor, payload: str, now: dt.datetime, challenge: Challenge | None = None
    ) -> Proof | None:
        """Look the code up among the steps in reach that are younger than the last accepted one."""
        step = _matching_step(factor, payload, math.floor(now.timestamp()))
        if step is None:
            return None
        refunded = Case(When(guesses__gt=0, then=F("guesses") - 1), default=Value(0))
        changes: dict[str, Any] = {"last_step": step}
        if challenge is not None:
            changes["guesses"] = refunded
        # The seed moves to the newest key while it is open anyway, so that an old key can be
        # dropped.
        if factor.key_id != (newest := codes.current_key_id()):
            sealed = codes.seal(_seed(factor), bound_to=factor.sid, key_id=newest)
            changes |= {"sealed_secret": sealed, "key_id": newest}
        # Two requests with one code both find it right, and this condition lets one of them count.
        return Proof(where={"last_step__lt": step}, changes=changes)


def _matching_step(factor: Factor, code: str, now: int) -> int | None:
    """Return the second at which the code's step begins; every candidate is compared."""
    config = factor.config
    length = config["time_step"]
    try:
        seed = base64.b32decode(_padded(_seed(factor)))
    except LookupError:
        return None  # its key is no longer configured, so no code can be right
    found = None
    for distance in range(-config["skew"], config["skew"] + 1):
        step = now // length * length + distance * length
        # RFC 6238, 5.2: a code is accepted once, and after it none of an earlier step.
        if step <= factor.last_step or step < 0:
            continue
        expected = code_at(
            seed, step, time_step=length, digits=config["code_length"], algorithm=config["alg"]
        )
        # To the end also where it is found: the time must not reveal which step a code is of.
        if codes.matches(expected, code) and found is None:
            found = step
    return found


def _seed(factor: Factor) -> str:
    return codes.unseal(factor.sealed_secret, bound_to=factor.sid, key_id=factor.key_id)


def _new_seed(algorithm: str) -> str:
    return base64.b32encode(secrets.token_bytes(ALGORITHMS[algorithm])).decode().rstrip("=")


def _canonical(seed: str) -> str:
    """Return a caller's seed in capitals and without padding."""
    text = seed.upper().rstrip("=")
    reason = "it must be 16–256 characters of base32"
    if not (seed.isascii() and _SEED.match(text)):
        raise InvalidFactorParameter("binding_secret", reason)
    try:
        base64.b32decode(_padded(text))
    except binascii.Error:
        raise InvalidFactorParameter("binding_secret", reason) from None
    return text


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 8)
