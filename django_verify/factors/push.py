"""Push: a device's key, proved by its signature; the answer to a challenge is a signed copy of it.

The key never leaves the device. Who signs what is in docs/push.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import re
from collections.abc import Mapping
from typing import Any

from django_verify import exceptions, sids
from django_verify.crypto import jose, primitives
from django_verify.db import queries
from django_verify.exceptions import (
    ChallengeVerificationFailed,
    InvalidBinding,
    InvalidFactorParameter,
    MissingFactorParameter,
)
from django_verify.factors import notifications
from django_verify.factors.base import FactorKind, Proof
from django_verify.models import Challenge, Entity, Factor
from django_verify.net import times

ANSWER_LENGTH = 5456
PLATFORMS = ("apn", "fcm", "none")

# Bounds that keep a device from being asked until its owner gives in. A site that asks when its
# user acts meets none of them.
PENDING = 20
UNANSWERED_IN_A_DAY = 100
FREE_DENIALS = 2
FIRST_WAIT, LONGEST_WAIT = 60, 3600

_TOKEN = re.compile(r"[!-~]{32,255}\Z")
_HEADER = {"alg": jose.ALGORITHM, "typ": "JWT"}
_DAY = dt.timedelta(hours=24)
_Status = Challenge.Status


def key_of(factor: Factor) -> primitives.ec.EllipticCurvePublicKey:
    """Return the public key of a push factor."""
    return jose.public_key(factor.binding["public_key"])


class Push(FactorKind):
    """`binding` has `alg` and `public_key`; `config` where and how the device is notified."""

    name = Factor.Type.PUSH
    limit = 20
    #: What a device must sign of a challenge: what never changes, under the names of the wire.
    signed = (
        *("sid", "account_sid", "service_sid", "entity_sid", "identity", "factor_sid"),
        *("factor_type", "details", "hidden_details", "date_created", "expiration_date"),
    )

    def enrol(self, factor: Factor, entity: Entity, params: Mapping[str, Any]) -> None:
        """Take the device's public key, and where its notifications go."""
        jose.refuse_unavailable()
        names = ("binding_alg", "binding_public_key", "config_app_id", "config_sdk_version")
        for name in (*names, "config_notification_platform"):
            if not params.get(name):
                raise MissingFactorParameter(name, "this parameter is required")
        if params["binding_alg"] != jose.ALGORITHM:
            raise InvalidBinding("The only algorithm of a push factor is ES256")
        text = params["binding_public_key"]
        try:
            jose.public_key(text)
        except ValueError:
            raise InvalidBinding from None
        factor.binding = {"alg": jose.ALGORITHM, "public_key": text}
        # Without a key: a public key is no secret, and the keys of the ring rotate while this row
        # stays.
        factor.binding_digest = hashlib.sha256(f"push {text}".encode()).hexdigest()
        platform = params["config_notification_platform"]
        factor.config = {
            "sdk_version": params["config_sdk_version"],
            "app_id": params["config_app_id"],
            "notification_platform": platform,
            "notification_token": _token(platform, params.get("config_notification_token", "")),
            # Both device SDKs refuse a factor without it, and name it as the `kid` of their tokens.
            "credential_sid": sids.credential_of(factor.sid),
        }

    def configure(self, factor: Factor, params: Mapping[str, Any]) -> None:
        """Change the token, the SDK's version, and whether notifications are sent at all."""
        before = factor.config["notification_platform"]
        platform = params.get("config_notification_platform", before)
        if {before, platform} == {"apn", "fcm"}:
            reason = "a device does not move between apn and fcm"
            raise InvalidFactorParameter("config_notification_platform", reason)
        kept = factor.config["notification_token"] or ""
        factor.config = {
            **factor.config,
            "sdk_version": params.get("config_sdk_version") or factor.config["sdk_version"],
            "notification_platform": platform,
            "notification_token": _token(platform, params.get("config_notification_token", kept)),
        }

    def binding(self, factor: Factor) -> dict[str, Any]:
        """Return the public half, which is all there is."""
        return {name: factor.binding[name] for name in ("alg", "public_key")}

    def read(self, factor: Factor, payload: str) -> None:
        """Refuse what is longer than the longest answer, or not in ASCII."""
        if len(payload) > ANSWER_LENGTH or not payload.isascii():
            reason = f"it has at most {ANSWER_LENGTH} ASCII characters"
            raise InvalidFactorParameter("auth_payload", reason)

    def prepare(self, challenge: Challenge, factor: Factor, now: dt.datetime) -> None:
        """Want a message to show, and refuse to wear the owner of the device down."""
        details = dict(challenge.details or {})
        if not details.get("message"):
            raise MissingFactorParameter("details_message", "this parameter is required")
        service = queries.service_of(factor)
        if service is not None and service.push_include_date:
            challenge.details = {**details, "date": times.timestamp(now)}
        _refuse_fatigue(factor, now)

    def after_create(self, challenge: Challenge, factor: Factor) -> None:
        """Queue the notification."""
        if factor.config["notification_platform"] != "none":
            notifications.enqueue(challenge, notifications.LONGEST_TTL)

    def prove(
        self, factor: Factor, payload: str, now: dt.datetime, challenge: Challenge | None = None
    ) -> Proof | None:
        """Check the signature: of the factor's own SID, or of the challenge with its answer."""
        jose.refuse_unavailable()
        if challenge is not None:
            return Proof(status=_answer(factor, payload, challenge))
        try:
            signature = jose.decoded(payload)
        except ValueError:
            reason = "a signature in base64 is required"
            raise InvalidFactorParameter("auth_payload", reason) from None
        if not jose.is_signed(key_of(factor), factor.sid.encode(), signature):
            raise exceptions.FactorVerificationFailed
        return Proof()


def _answer(factor: Factor, payload: str, challenge: Challenge) -> str:
    """Return what the owner decided. Raises ChallengeVerificationFailed."""
    try:
        header, claims = jose.parse(payload, ANSWER_LENGTH)
    except ValueError:
        reason = "a compact JWS with an object in it is required"
        raise InvalidFactorParameter("auth_payload", reason) from None
    if jose.understood(header) != _HEADER or not jose.is_jws_of(key_of(factor), payload):
        raise ChallengeVerificationFailed
    # Values are compared as they were parsed: the device writes names and escapes in its own way.
    if any(
        name not in claims or claims[name] != value for name, value in _signed(challenge).items()
    ):
        raise ChallengeVerificationFailed
    status = claims.get("status")
    if status not in (_Status.APPROVED.value, _Status.DENIED.value):
        raise InvalidFactorParameter("auth_payload", "its status is approved or denied")
    return str(status)


def _signed(challenge: Challenge) -> dict[str, Any]:
    """Return the claims that an answer must hold, as the wire gave them to the device."""
    entity = challenge.entity
    assert entity is not None  # noqa: S101 - only a passkey's challenge names nobody
    return {
        "sid": challenge.sid,
        "account_sid": challenge.account_id,
        "service_sid": challenge.service_id,
        "entity_sid": entity.sid,
        "identity": entity.identity,
        "factor_sid": challenge.factor_id,
        "factor_type": challenge.factor_type,
        "details": challenge.details,
        "hidden_details": challenge.hidden_details,
        "date_created": times.timestamp(challenge.date_created),
        "expiration_date": times.timestamp(challenge.expiration_date),
    }


def _token(platform: str, token: str) -> str | None:
    """Return the token to keep: none where nothing is sent, else one that may be in a header."""
    if platform == "none":
        return None
    if not token:
        raise MissingFactorParameter("config_notification_token", "this parameter is required")
    if not _TOKEN.match(token):
        reason = "it has 32–255 ASCII characters and no spaces"
        raise InvalidFactorParameter("config_notification_token", reason)
    return token


def _refuse_fatigue(factor: Factor, now: dt.datetime) -> None:
    """Raise TooManyChallenges for a device that is asked too much and approves too little.

    The caller holds its number in the factor's sequence, so what is counted here holds.
    """
    mine = Challenge.objects.using(queries.database()).filter(factor_id=factor.sid)
    columns = ("status", "date_created", "date_responded", "expiration_date")
    latest = mine.order_by("-serial").values_list(*columns)[:UNANSWERED_IN_A_DAY]
    # An owner who approves is not being worn down, so an approval clears what came before it.
    refused = list(itertools.takewhile(lambda row: row[0] != _Status.APPROVED, latest))
    waits = []
    pending = [over for status, _, _, over in refused if status == _Status.PENDING and over > now]
    if len(pending) >= PENDING:
        waits.append(min(pending))
    if len(refused) >= UNANSWERED_IN_A_DAY:
        waits.append(refused[-1][1] + _DAY)
    denied = [at for status, _, at, _ in refused if status == _Status.DENIED and at > now - _DAY]
    if (number := len(denied) - FREE_DENIALS) > 0:
        # Each further denial makes the wait twice as long.
        wait = min(FIRST_WAIT * 2 ** min(number - 1, 10), LONGEST_WAIT)
        waits.append(max(denied) + dt.timedelta(seconds=wait))
    if waits and max(waits) > now:
        raise exceptions.TooManyChallenges(retry_after=times.seconds_until(max(waits), now))
