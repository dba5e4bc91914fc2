"""Errors of the two ceremonies of passkeys."""

from __future__ import annotations

from django_verify.exceptions.base import InvalidParameter, VerifyError


class InvalidPasskeyFactorSid(InvalidParameter):
    """A passkey's challenge names a factor by something that is no SID."""

    code = 60362


class InvalidPasskeyEntity(InvalidParameter):
    """The user handle is missing, or is not that of the credential's entity."""

    code = 60365


class InvalidPasskeyIdentity(InvalidParameter):
    """The identity of a passkey's entity is missing or malformed."""

    code = 60367


class PasskeysElsewhere(VerifyError):
    """A passkey is created at Passkeys/Factors, and nowhere else."""

    code = 60369
    status = 400
    message = "Passkeys are created at Passkeys/Factors"


class InvalidPasskeyConfig(InvalidParameter):
    """The configuration of a passkey is malformed."""

    code = 60370


class InvalidRelyingParty(InvalidParameter):
    """The relying party of a passkey is missing, or its name or origins are malformed."""

    code = 60371


class InvalidRelyingPartyId(InvalidParameter):
    """The relying party's id is missing, or is no domain: it has no scheme and no port."""

    code = 60372


class InvalidCredentialId(InvalidParameter):
    """The id of a credential is missing, malformed, too long, or another one's."""

    code = 60375


class InvalidRawId(InvalidParameter):
    """The rawId of a credential is not its id, neither in base64url nor in hexadecimal."""

    code = 60376


class InvalidAttachment(InvalidParameter):
    """The attachment of an authenticator is an unknown word."""

    code = 60377


class InvalidCredentialResponse(InvalidParameter):
    """The response of an authenticator is missing or malformed."""

    code = 60378


class InvalidAuthenticatorData(InvalidParameter):
    """The authenticator's data are malformed, of another relying party, or without a user."""

    code = 60379


class InvalidClientData(InvalidParameter):
    """The client's data are malformed, or of another origin, ceremony or challenge."""

    code = 60380


class InvalidCredentialSignature(InvalidParameter):
    """The signature is not that of the credential."""

    code = 60381


class RelyingPartyMismatch(VerifyError):
    """The credential was made for another relying party than the challenge."""

    code = 60382
    status = 400
    message = "The relying party of the factor is not that of the challenge"


class PasskeyRegistrationOver(VerifyError):
    """The registration of a passkey is verified, used up, or older than ten minutes."""

    code = 60383
    status = 400
    message = "The factor is verified, or its registration is over: create a new one"


class InvalidCredentialKey(InvalidParameter):
    """The key of a credential is malformed, or no ES256 key."""

    code = 60385


class InvalidAttestation(InvalidParameter):
    """The attestation object is malformed, of another relying party, or without a user."""

    code = 60386


class InvalidAttestedData(InvalidParameter):
    """The attestation object holds no credential, or a malformed one."""

    code = 60387


class InvalidDisplayName(InvalidParameter):
    """The name under which a passkey is shown is missing, empty or too long."""

    code = 60388


class PasskeyNotFound(VerifyError):
    """No such passkey may answer: it is unknown, or another entity's."""

    code = 60390
    status = 404
    message = "The factor was not found"


class PasskeyChallengeNotFound(VerifyError):
    """The challenge that was answered is unknown."""

    code = 60391
    status = 404
    message = "The challenge was not found"


class PasskeyEntityNotFound(VerifyError):
    """The entity that a challenge names is unknown."""

    code = 60392
    status = 404
    message = "The entity was not found"


class MissingCriteria(InvalidParameter):
    """Neither the request nor the service names the authenticator that a passkey needs."""

    code = 60393
