"""The verbs of passkeys: enrol, verify, challenge, approve; needs the extra `passkeys`.

A ceremony is found by the challenge in what the browser signed, and is used up by the first
answer, right or wrong: the charge is committed before the answer is verified.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError
from django.utils import timezone

from django_verify import exceptions, sids
from django_verify.conf.backends import installed
from django_verify.db import queries, retry, savepoints
from django_verify.db.autocommit import require_autocommit
from django_verify.exceptions import InvalidClientData, NotFound
from django_verify.factors import Proof, challenges, entities
from django_verify.factors import passkey_options as kind
from django_verify.models import Challenge, Entity, Factor, VerifyService

if TYPE_CHECKING:
    from django_verify.factors import webauthn as verified

LIBRARY = "webauthn"
_STRICTEST = ("required", "preferred", "discouraged")


@dataclass(frozen=True, slots=True)
class Attestation:
    """What `navigator.credentials.create` gave, in bytes."""

    client_data: bytes
    attestation_object: bytes
    credential_id: bytes | None = None
    transports: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Assertion:
    """What `navigator.credentials.get` gave, in bytes; an empty user handle is none."""

    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    credential_id: bytes
    user_handle: bytes = b""


def available() -> bool:
    """Whether the extra is installed."""
    return installed(LIBRARY)


def enrol(
    service: VerifyService, identity: str, friendly_name: str, config: Mapping[str, Any]
) -> Factor:
    """Write a new, unverified passkey; registrations of the entity whose time is over make room.

    `config` is that of the wire; what it leaves out is the service's. Raises what
    `entities.enrol` raises, InvalidRelyingParty, InvalidRelyingPartyId and MissingCriteria.
    """
    _refuse_without_extra()
    over = entities.rows().filter(
        entity__service_id=service.sid,
        entity__account_id=service.account_id,
        entity__identity_key=identity.lower(),
        factor_type=Factor.Type.PASSKEYS,
        status=Factor.Status.UNVERIFIED,
        date_created__lte=timezone.now() - kind.REGISTRATION,
    )
    for factor in over:
        with suppress(NotFound):  # another request was faster
            entities.delete_factor(factor)
    return entities.enrol(
        service, identity, Factor.Type.PASSKEYS, friendly_name, params={"config": config}
    )


def verify(service: VerifyService, answer: Attestation) -> Factor:
    """Verify the passkey whose registration is answered, once; a wrong answer uses it up too.

    Raises PasskeyNotFound, PasskeyRegistrationOver, BindingExists, what the ceremony found wrong,
    and AtomicBlockError inside a transaction.
    """
    _refuse_without_extra()
    from django_verify.factors import webauthn  # noqa: PLC0415 - an extra

    require_autocommit("passkeys.verify")
    sid = _named(webauthn.client_data_members(answer.client_data), "YF")
    factor = entities.rows().filter(sid=sid, **_mine(service)).first()
    if factor is None:
        raise exceptions.PasskeyNotFound
    now = timezone.now()
    _charge(factor, now)
    asked = webauthn.Asked(
        challenge=factor.sid.encode(),
        rp_id=factor.config["relying_party"]["id"],
        origins=_origins(factor, service),
        needs_user_verification=factor.config["user_verification"] == "required",
    )
    made = webauthn.register(
        asked, answer.client_data, answer.attestation_object, answer.credential_id
    )
    proof = Proof(changes=_columns(made, answer.transports))
    if not entities.settle(factor, proof, now):
        raise exceptions.PasskeyNotFound  # deleted meanwhile
    return factor


@retry.on_conflict
def challenge(service: VerifyService, *, identity: str = "", factor_sid: str = "") -> Challenge:
    """Ask for any passkey of the service, for those of one entity, or for one.

    Raises PasskeyEntityNotFound, PasskeyNotFound, FactorUnverified, and InvalidRelyingParty or
    InvalidRelyingPartyId when nobody is named and the service has no relying party.
    """
    _refuse_without_extra()
    entity = _entity(service, identity) if identity else None
    named = _factor(service, entity, factor_sid) if factor_sid else None
    entity = named.entity if named else entity
    if entity is None:
        allowed, rp_id = [], kind.relying_party(service)["id"]
        kind.refuse_bad_id(rp_id)
        user_verification = service.passkeys_user_verification or "preferred"
    else:
        allowed = [named] if named else _of_one_party(service, entity)
        rp_id = allowed[0].config["relying_party"]["id"]
        user_verification = _strictest(allowed)
    now = timezone.now()
    made = Challenge(
        account_id=service.account_id,
        service_id=service.sid,
        entity=entity,
        factor=named,
        factor_type=Factor.Type.PASSKEYS,
        date_created=now,
        date_updated=now,
        expiration_date=now + kind.AUTHENTICATION,
    )
    made.options = kind.request_options(made, rp_id, user_verification, allowed)
    try:
        with savepoints.atomic(queries.database()):
            made.save(using=queries.database(), force_insert=True)
    except IntegrityError:  # the entity was deleted meanwhile
        raise (exceptions.PasskeyEntityNotFound if entity else NotFound) from None
    return made


def approve(service: VerifyService, answer: Assertion) -> Challenge:
    """Approve the challenge that an assertion answers, once; a wrong answer uses it up too.

    Raises PasskeyChallengeNotFound, ChallengeAnswered, ChallengeExpired,
    MaxChallengeChecksReached after a wrong answer, PasskeyNotFound, RelyingPartyMismatch, what
    the ceremony found wrong, and AtomicBlockError inside a transaction.
    """
    _refuse_without_extra()
    from django_verify.factors import webauthn  # noqa: PLC0415 - an extra

    require_autocommit("passkeys.approve")
    sid = _named(webauthn.client_data_members(answer.client_data), "YC")
    challenge = challenges.rows().filter(sid=sid, **_mine(service)).first()
    if challenge is None:
        raise exceptions.PasskeyChallengeNotFound
    try:
        challenges.charge(challenge, most=1)
        factor = _answering(service, challenge, answer)
        options = (challenge.options or {})["publicKey"]
        asked = webauthn.Asked(
            challenge=challenge.sid.encode(),
            rp_id=options["rpId"],
            origins=_origins(factor, service),
            needs_user_verification="required"
            in {options["userVerification"], factor.config["user_verification"]},
        )
        found = webauthn.authenticate(
            asked,
            answer.client_data,
            answer.authenticator_data,
            answer.signature,
            public_key=kind.decoded(factor.binding["public_key"]),
        )
        if not challenges.settle(challenge, factor, _proof(factor, found)):
            raise _why_not(factor)
    except NotFound:
        raise exceptions.PasskeyChallengeNotFound from None
    return challenge


def _refuse_without_extra() -> None:
    if not available():
        raise exceptions.FeatureDisabled("Passkeys need the extra `passkeys` of django-verify")


def _mine(service: VerifyService) -> dict[str, Any]:
    return {
        "service_id": service.sid,
        "account_id": service.account_id,
        "factor_type": Factor.Type.PASSKEYS,
    }


def _named(members: Mapping[str, Any], prefix: str) -> str:
    """Return the SID that the signed challenge is. Raises InvalidClientData."""
    text = members.get("challenge")
    try:
        sid = kind.decoded(text).decode("ascii") if isinstance(text, str) else ""
    except ValueError:
        sid = ""
    if not sids.is_sid(prefix, sid) or sid != sids.canonical(sid):
        raise InvalidClientData("response.clientDataJSON", "its challenge is none of this API's")
    return sid


def _charge(factor: Factor, now: dt.datetime) -> None:
    """Use the registration up, committed before its answer is verified.

    Raises PasskeyRegistrationOver where that was done before, or its time is over.
    """
    fresh = entities.rows().filter(
        sid=factor.sid,
        status=Factor.Status.UNVERIFIED,
        failures=0,
        date_created__gt=now - kind.REGISTRATION,
    )
    if not retry.alone(fresh.update, failures=1):
        raise exceptions.PasskeyRegistrationOver


def _columns(made: verified.Credential, transports: Sequence[str]) -> dict[str, Any]:
    """Return the columns of a factor whose passkey was made."""
    return {
        "binding": {
            "id": kind.encoded(made.id),
            "public_key": kind.encoded(made.public_key),
            "transports": list(dict.fromkeys(transports)),
            "aaguid": made.aaguid,
            "backup_eligible": made.backup_eligible,
            "backed_up": made.backed_up,
        },
        "binding_digest": _digest(made.id),
        "sign_count": made.sign_count,
        "failures": 0,
    }


def _digest(credential_id: bytes) -> str:
    """Return what stands for a credential in its service; unkeyed, because keys rotate."""
    return hashlib.sha256(b"passkeys\0" + credential_id).hexdigest()


def _origins(factor: Factor, service: VerifyService) -> list[str]:
    """Return the origins of a passkey: those it was made with, and its site's later ones."""
    party = factor.config["relying_party"]
    listed = [*party["origins"]]
    if service.passkeys_relying_party_id == party["id"]:
        listed += kind.relying_party(service)["origins"]
    return kind.origins(listed)


def _entity(service: VerifyService, identity: str) -> Entity:
    try:
        return entities.fetch(service, identity)
    except NotFound:
        raise exceptions.PasskeyEntityNotFound from None


def _factor(service: VerifyService, entity: Entity | None, sid: str) -> Factor:
    """Return the passkey to ask, of the entity if one is named."""
    found = entities.rows().filter(sid=sid, **_mine(service)).first()
    if found is None or (entity is not None and found.entity_id != entity.sid):
        raise exceptions.PasskeyNotFound
    if not found.is_verified:
        raise exceptions.FactorUnverified
    return found


def _of_one_party(service: VerifyService, entity: Entity) -> list[Factor]:
    """Return an entity's passkeys of the service's relying party, else of the newest one's."""
    found = kind.verified(entity.sid)
    if not found:
        new = entities.rows().filter(entity_id=entity.sid, factor_type=Factor.Type.PASSKEYS)
        raise exceptions.FactorUnverified if new.exists() else exceptions.PasskeyNotFound
    parties = [factor.config["relying_party"]["id"] for factor in found]
    mine = service.passkeys_relying_party_id
    chosen = mine if mine in parties else parties[0]
    return [factor for factor, party in zip(found, parties, strict=True) if party == chosen]


def _strictest(asked: Sequence[Factor]) -> str:
    policies = {factor.config["user_verification"] for factor in asked}
    return next(policy for policy in _STRICTEST if policy in policies)


def _answering(service: VerifyService, challenge: Challenge, answer: Assertion) -> Factor:
    """Return the passkey that answers, if it may: the challenge's own, or any where none is named.

    One that may not answer is reported as unknown, so that its owner is not revealed.
    """
    digest = _digest(answer.credential_id)
    factor = entities.rows().filter(binding_digest=digest, **_mine(service)).first()
    if (
        factor is None
        or challenge.factor_id not in {None, factor.sid}
        or challenge.entity_id not in {None, factor.entity_id}
    ):
        raise exceptions.PasskeyNotFound
    # A browser that was given the credentials may leave the handle out. Where nobody was named, it
    # is all that names the person, and WebAuthn requires it.
    if answer.user_handle != factor.entity_id.encode() and (
        answer.user_handle or challenge.entity_id is None
    ):
        reason = "it must be that of the credential's entity"
        raise exceptions.InvalidPasskeyEntity("response.userHandle", reason)
    if factor.config["relying_party"]["id"] != (challenge.options or {})["publicKey"]["rpId"]:
        raise exceptions.RelyingPartyMismatch
    return factor


def _proof(factor: Factor, found: verified.Assertion) -> Proof:
    """Return the proof, with what the signature counter must be for it to count.

    Once a counter was seen it must grow, or two devices have the key, or one answer came twice.
    """
    count = found.sign_count
    # WebAuthn has this flag fixed for a credential's life.
    if found.backup_eligible != factor.binding["backup_eligible"]:
        reason = "its backup eligibility has changed"
        raise exceptions.InvalidAuthenticatorData("response.authenticatorData", reason)
    # Synced passkeys count nothing and send 0 for ever.
    return Proof(
        where={"sign_count__lt": count} if count else {"sign_count": 0},
        changes={
            "sign_count": count,
            "binding": {**factor.binding, "backed_up": found.backed_up},
        },
    )


def _why_not(factor: Factor) -> exceptions.VerifyError:
    if entities.rows().filter(sid=factor.sid).exists():
        return exceptions.ChallengeVerificationFailed()
    return exceptions.PasskeyNotFound()
