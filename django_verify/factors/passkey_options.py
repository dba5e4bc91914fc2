"""The options that a browser gets for passkeys; its answers are verified in `passkeys`.

Imports without the extra: the ceremonies themselves are verified in `webauthn`.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django_verify import exceptions
from django_verify.db import queries
from django_verify.exceptions import InvalidFactorParameter
from django_verify.factors.base import FactorKind
from django_verify.models import Challenge, Entity, Factor, VerifyService

REGISTRATION = dt.timedelta(minutes=10)
AUTHENTICATION = dt.timedelta(minutes=5)
CRITERIA = ("authenticator_attachment", "discoverable_credentials", "user_verification")
#: Algorithms of keys by COSE's numbers, the one that is wanted most first; the TPMs of Windows
#: Hello have RS256 alone. The contract shows ES256 in an example and forbids no other.
ES256, RS256 = -7, -257
ALGORITHMS = (ES256, RS256)

_ALPHABET = str.maketrans("-_", "+/")
_ELSEWHERE = "a passkey is verified and challenged at Passkeys"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z")
_ORIGIN = re.compile(r"(https?://[^\s/?#@]+|android:apk-key-hash:[A-Za-z0-9_-]{1,86}=?)\Z")


class Passkeys(FactorKind):
    """`config` is as on the wire; `binding` has `id`, `public_key`, `transports` and so on."""

    name = Factor.Type.PASSKEYS
    limit = 20

    def enrol(self, factor: Factor, entity: Entity, params: Mapping[str, Any]) -> None:
        """Resolve the configuration; a key comes with the registration."""
        factor.config = resolved(factor.service, params.get("config") or {})

    def configure(self, factor: Factor, params: Mapping[str, Any]) -> None:
        """Change nothing: a credential is made for one relying party, by one authenticator."""

    def options(self, factor: Factor) -> dict[str, Any]:
        """Return what `navigator.credentials.create` takes, in JSON."""
        config, name = factor.config, factor.friendly_name
        party, residence = config["relying_party"], config["discoverable_credentials"]
        selection = {
            "requireResidentKey": residence == "required",
            "residentKey": residence,
            "userVerification": config["user_verification"],
        }
        if config["authenticator_attachment"] != "any":
            selection["authenticatorAttachment"] = config["authenticator_attachment"]
        return {
            "publicKey": {
                "rp": {"id": party["id"], "name": party["name"]},
                "user": {"id": as_text(factor.entity_id), "name": name, "displayName": name},
                "challenge": as_text(factor.sid),
                # A list, as WebAuthn and the SDKs have it; the contract's document shows one
                # object.
                "pubKeyCredParams": [{"type": "public-key", "alg": one} for one in ALGORITHMS],
                "timeout": int(REGISTRATION.total_seconds() * 1000),
                # A second passkey on one authenticator would silently replace the first one.
                "excludeCredentials": descriptors(verified(factor.entity_id), party["id"]),
                "authenticatorSelection": selection,
                # Nothing depends on who made the authenticator, and browsers ask before they reveal
                # it.
                "attestation": "none",
            }
        }

    def read(self, factor: Factor, payload: str) -> None:
        """Refuse every payload: a ceremony is no text."""
        raise InvalidFactorParameter("auth_payload", _ELSEWHERE)

    def prepare(self, challenge: Challenge, factor: Factor, now: dt.datetime) -> None:
        """Refuse: the browser's options are made by `passkeys.challenge`."""
        raise InvalidFactorParameter("factor_sid", _ELSEWHERE)


def as_text(sid: str) -> str:
    """Return a SID's ASCII as the contract has it in options: base64url without padding."""
    # The web SDK decodes this by `atob`, which takes no - and no _; ASCII letters and digits never
    # give either.
    return encoded(sid.encode())


def encoded(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Return the bytes of base64url or base64, padded or not. Raises ValueError for all else."""
    return base64.b64decode(_padded(text.translate(_ALPHABET)), validate=True)


def _padded(text: str) -> str:
    bare = text.rstrip("=")
    return bare + "=" * (-len(bare) % 4)


def request_options(
    challenge: Challenge, rp_id: str, user_verification: str, allowed: Sequence[Factor]
) -> dict[str, Any]:
    """Return what `navigator.credentials.get` takes, in JSON."""
    return {
        "publicKey": {
            "challenge": as_text(challenge.sid),
            "timeout": int(AUTHENTICATION.total_seconds() * 1000),
            "rpId": rp_id,
            "allowCredentials": descriptors(allowed, rp_id),
            "userVerification": user_verification,
        }
    }


def descriptors(factors: Iterable[Factor], rp_id: str) -> list[dict[str, Any]]:
    """Return the credential descriptors for a browser, with the three members SDKs need."""
    return [
        {
            "id": factor.binding["id"],
            "type": "public-key",
            "transports": factor.binding["transports"],
        }
        for factor in factors
        if factor.config["relying_party"]["id"] == rp_id
    ]


def verified(entity_sid: str) -> list[Factor]:
    """Return an entity's verified passkeys, newest first."""
    rows = Factor.objects.using(queries.database()).filter(
        entity_id=entity_sid, factor_type=Factor.Type.PASSKEYS, status=Factor.Status.VERIFIED
    )
    return list(rows.select_related("entity").order_by("-date_created", "-sid"))


def resolved(service: VerifyService, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a new passkey: the request's members, else the service's.

    A relying party comes whole from one of the two. Raises InvalidRelyingParty,
    InvalidRelyingPartyId, and MissingCriteria with the names of what neither has.
    """
    party = config.get("relying_party") or relying_party(service)
    criteria = {name: config.get(name) or getattr(service, f"passkeys_{name}") for name in CRITERIA}
    if missing := [name for name in CRITERIA if not criteria[name]]:
        raise exceptions.MissingCriteria("config", f"it lacks {', '.join(missing)}")
    refuse_bad_id(party.get("id") or "")
    for name in ("name", "origins"):
        if not party.get(name):
            parameter = f"config.relying_party.{name}"
            raise exceptions.InvalidRelyingParty(parameter, "this parameter is required")
    for origin in origins(party["origins"]):
        if not _ORIGIN.match(origin):
            reason = "an origin is a scheme and a host, or android:apk-key-hash:…"
            raise exceptions.InvalidRelyingParty("config.relying_party.origins", reason)
    described = {name: party[name] for name in ("id", "name", "origins")}
    return {"relying_party": described, **criteria}


def relying_party(service: VerifyService) -> dict[str, Any]:
    """Return the service's relying party. Raises InvalidRelyingParty when it has none."""
    listed = [o.strip() for o in service.passkeys_relying_party_origins.split(",") if o.strip()]
    party = {
        "id": service.passkeys_relying_party_id,
        "name": service.passkeys_relying_party_name,
        "origins": listed,
    }
    if not any(party.values()):
        reason = "neither the request nor the service has one"
        raise exceptions.InvalidRelyingParty("config.relying_party", reason)
    return party


def refuse_bad_id(rp_id: str) -> None:
    """Raise InvalidRelyingPartyId for what is no domain in lower case."""
    if not _DOMAIN.match(rp_id):
        reason = "it must be a domain, without scheme and port"
        raise exceptions.InvalidRelyingPartyId("config.relying_party.id", reason)


def origins(listed: Iterable[str]) -> list[str]:
    """Return origins as browsers and Android spell them; without a scheme, https is meant."""
    return [_origin(text) for text in listed]


def _origin(text: str) -> str:
    if text.startswith("android:"):
        return text
    return (text if "://" in text else f"https://{text}").rstrip("/").lower()
