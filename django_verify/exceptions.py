"""Every error a caller can meet, once, with its number on the wire and its HTTP status.

Configuration mistakes are Django's `ImproperlyConfigured` and stand outside this family.
Numbers are those of the vendor's error dictionary.
"""

from __future__ import annotations

from enum import IntEnum


class VerifyError(Exception):
    """Base of the family: `code` is the wire's number, `status` the HTTP status.

    `retry_after` is in seconds; the API sends it as the `Retry-After` header.
    """

    code = 20500
    status = 500
    message = "Internal server error"

    def __init__(self, message: str = "", *, retry_after: int | None = None) -> None:
        self.message = message or self.message
        self.retry_after = retry_after
        super().__init__(self.message)


class AuthenticationRequired(VerifyError):
    """The credentials are missing or wrong; which of the two is not told."""

    code = 20003
    status = 401
    message = "Authenticate"


class MethodNotSupported(VerifyError):
    """The resource exists and does not answer this HTTP method."""

    code = 20004
    status = 405
    message = "Method not allowed"


class PageTooLarge(VerifyError):
    """`PageSize` is above 1000."""

    code = 20007
    status = 400
    message = "Page size is too large, the maximum is 1000"


class Forbidden(VerifyError):
    """The host's policy refuses this request."""

    code = 20403
    status = 403
    message = "Forbidden"


class NotFound(VerifyError):
    """The object is absent, over, or somebody else's."""

    code = 20404
    status = 404
    message = "The requested resource was not found"


class Conflict(VerifyError):
    """The object is in use and changes under this request; another try may do."""

    code = 20409
    status = 409
    message = "The resource is in use"


class MalformedRequest(VerifyError):
    """The body cannot be read as form or JSON parameters."""

    code = 20422
    status = 400
    message = "Malformed request body"


class BodyTooLarge(MalformedRequest):
    """The body is larger than any request of this API."""

    status = 413
    message = "Request body too large"


class UnsupportedBody(MalformedRequest):
    """The content type is neither a URL-encoded form nor JSON."""

    status = 415
    message = "Unsupported content type: send application/x-www-form-urlencoded or application/json"


class TooManyRequests(VerifyError):
    """A limit on requests was reached; `limit` is the unique name of a rate limit, if it was one.

    The API sends it as the `Twilio-Reached-Rate-Limit` header.
    """

    code = 20429
    status = 429
    message = "Too many requests"

    def __init__(
        self, message: str = "", *, retry_after: int | None = None, limit: str = ""
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.limit = limit


class ServiceUnavailable(VerifyError):
    """The store of the rate limits cannot be reached, so nothing is sent."""

    code = 20503
    status = 503
    message = "Service unavailable"


class InvalidParameter(VerifyError):
    """One parameter is malformed; `parameter` is its Python name, the API shows the wire's."""

    code = 60200
    status = 400

    def __init__(self, parameter: str, reason: str) -> None:
        self.parameter = parameter
        self.reason = reason
        super().__init__(f"Invalid parameter `{parameter}`: {reason}")

    def __reduce__(self) -> tuple[type[InvalidParameter], tuple[str, str], dict[str, object]]:
        """Let it cross processes, as the rest of the family does."""
        return type(self), (self.parameter, self.reason), self.__dict__


class TemplateNotApproved(VerifyError):
    """None of the template's translations is approved."""

    code = 60201
    status = 400
    message = "Template translation is not approved"


class MaxChecksReached(VerifyError):
    """The guesses of this verification are used up; nothing was compared."""

    code = 60202
    status = 429
    message = "Max check attempts reached"


class MaxSendsReached(VerifyError):
    """No further message may go to this address for now; nothing was sent."""

    code = 60203
    status = 429
    message = "Max send attempts reached"


class FeatureDisabled(VerifyError):
    """The service does not have the feature that the request uses."""

    code = 60204
    status = 403
    message = "Service does not have the requested feature enabled"


class LandlineRefused(VerifyError):
    """The service sends no SMS to landlines, and this is one."""

    code = 60205
    status = 403
    message = "SMS is not supported by landline phone numbers"


class TransactionRequired(VerifyError):
    """A PSD2 service needs the amount and the payee, at the start and at the check."""

    code = 60206
    status = 400
    message = "Amount and Payee are required by a service with PSD2 enabled"


class TooManyRateLimits(VerifyError):
    """The service has all the rate limits that it may have."""

    code = 60207
    status = 400
    message = "Max rate limits per service reached"


class RateLimitExists(VerifyError):
    """The service has a rate limit of this unique name."""

    code = 60208
    status = 400
    message = "A rate limit with this UniqueName exists"


class RateLimitNameInvalid(VerifyError):
    """A unique name has letters, digits, `-`, `_` and `.` only."""

    code = 60209
    status = 400
    message = "UniqueName may hold letters, digits, hyphens, underscores and dots only"


class TooManyBuckets(VerifyError):
    """The rate limit has all the buckets that it may have."""

    code = 60210
    status = 400
    message = "Max buckets per rate limit reached"


class BucketExists(VerifyError):
    """The rate limit has a bucket of this interval."""

    code = 60211
    status = 400
    message = "A bucket with this Interval exists"


class ConcurrentStarts(VerifyError):
    """Another start for the same address ran at this moment and won; nothing more was sent."""

    code = 60212
    status = 429
    message = "Too many concurrent requests for this address"


class DuplicateMessagingCountry(VerifyError):
    """The service has a messaging configuration for this country already."""

    code = 60213
    status = 400
    message = "Messaging configuration for this country already exists"


class ChannelWithoutPsd2(VerifyError):
    """The call channel cannot carry a PSD2 transaction."""

    code = 60214
    status = 400
    message = "The call channel does not support PSD2"


class EmailNotConfigured(VerifyError):
    """No sender is configured for e-mail."""

    code = 60217
    status = 400
    message = "The email channel is not configured"


class EmailTemplateUnknown(VerifyError):
    """No sender of e-mail knows the template that the start names."""

    code = 60218
    status = 400
    message = "The email template is not available"


class CheckTargetMissing(VerifyError):
    """A check names neither an address nor a verification."""

    code = 60221
    status = 400
    message = "Either To or VerificationSid is required"


class EmailSenderNotAllowed(VerifyError):
    """The service does not allow this From address."""

    code = 60222
    status = 403
    message = "The email from address is not allowed by the service"


class ChannelDisabled(VerifyError):
    """The service does not use this channel, or the site has no sender for it."""

    code = 60223
    status = 403
    message = "Delivery channel disabled"


class InvalidSubstitutions(VerifyError):
    """The template's own values are missing, unknown, or not a JSON object."""

    code = 60224
    status = 400
    message = "Template substitutions are missing or not valid JSON"


class TemplateWithoutChannel(VerifyError):
    """The template is not made for this channel."""

    code = 60227
    status = 400
    message = "The template does not support this channel"


class TemplateNotFound(VerifyError):
    """The named template does not exist."""

    code = 60228
    status = 400
    message = "Template not found"


class TranslationNotFound(VerifyError):
    """The template has no text for the locale, and none by default."""

    code = 60229
    status = 400
    message = "Template translation not found"


class CustomMessageUnsupported(VerifyError):
    """A whole message text is not accepted from the caller."""

    code = 60243
    status = 400
    message = "CustomMessage is not supported"


class SnaWithoutPsd2(VerifyError):
    """The sna channel cannot carry a PSD2 transaction."""

    code = 60329
    status = 400
    message = "The sna channel does not support PSD2"


class InvalidFactorParameter(InvalidParameter):
    """The same on the factor side, and of a webhook's event types: they have their own number."""

    code = 60306


class MissingFactorParameter(InvalidParameter):
    """A parameter that the factor side requires is missing."""

    code = 60300


class InvalidAccessTokenParameter(InvalidParameter):
    """A parameter of an access token is missing or malformed."""

    code = 60305


class EntityExists(VerifyError):
    """The service has an entity with this identity, in this or another case of its letters."""

    code = 60301
    status = 409
    message = "An entity with this identity exists"


class PlatformWithoutNotifications(VerifyError):
    """The device has said that it takes no notifications; it asks by itself."""

    code = 60307
    status = 400
    message = "The factor's notification platform is none"


class MaxChallengeChecksReached(VerifyError):
    """The guesses of this challenge, or of its factor for the day, are used up."""

    code = 60308
    status = 429
    message = "Max challenge check attempts reached"


class MaxNotificationsReached(VerifyError):
    """Three notifications were asked for, besides the one that came with the challenge."""

    code = 60309
    status = 429
    message = "Max notifications of this challenge reached"


class MaxFactorChecksReached(VerifyError):
    """The guesses of a factor that is not verified yet are used up; a new one is needed."""

    code = 60310
    status = 429
    message = "Max factor check attempts reached"


class FactorVerificationFailed(VerifyError):
    """The payload does not prove the factor."""

    code = 60311
    status = 403
    message = "Factor verification failed"


class TooManyChallenges(VerifyError):
    """The factor was asked too often in the last hour or day."""

    code = 60312
    status = 429
    message = "Max challenges for this factor reached"


class FactorNotAllowed(VerifyError):
    """The credentials do not allow this factor to be created."""

    code = 60313
    status = 403
    message = "Not allowed to create this factor"


class InvalidBinding(VerifyError):
    """The key or the algorithm of a factor is malformed."""

    code = 60314
    status = 400
    message = "The binding is not valid"


class TooManyFactors(VerifyError):
    """The entity has all the factors of this type that it may have."""

    code = 60315
    status = 400
    message = "Max factors of this type for the entity reached"


class BindingExists(VerifyError):
    """A factor with this key or seed exists."""

    code = 60317
    status = 409
    message = "A factor with this binding exists"


class FactorUnverified(VerifyError):
    """The factor is not verified, so it cannot be challenged."""

    code = 60318
    status = 403
    message = "The factor is not verified"


class ChallengeAnswered(VerifyError):
    """The challenge was approved or denied before."""

    code = 60322
    status = 403
    message = "The challenge has been answered"


class ChallengeExpired(VerifyError):
    """The challenge's time has run out."""

    code = 60323
    status = 403
    message = "The challenge has expired"


class ChallengeVerificationFailed(VerifyError):
    """The payload does not answer this challenge."""

    code = 60324
    status = 403
    message = "Challenge verification failed"


class TooManyEnrolments(VerifyError):
    """Too many factors were created for the entity in a day."""

    code = 60326
    status = 429
    message = "Max factors created for the entity in a day reached"


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
    """Neither the request nor the service says what authenticator a passkey needs."""

    code = 60393


class MessageTooLong(VerifyError):
    """The finished text is longer than 500 characters."""

    code = 60247
    status = 400
    message = "Message is longer than 500 characters"


class RestrictedWord(VerifyError):
    """A brand name holds a word that the site does not allow."""

    code = 60248
    status = 400
    message = "The friendly name holds a restricted word"


class LocaleNotSpoken(VerifyError):
    """The call channel has no speech text in the requested locale."""

    code = 60331
    status = 400
    message = "The locale is not supported by the call channel"


class SnaFailed(VerifyError):
    """The gateway to the carriers gave no URL; another channel may do."""

    code = 60510
    status = 503
    message = "Silent network authentication is not available at the moment"


class NoUsableChannel(VerifyError):
    """The auto channel found none that the service offers for this address."""

    code = 60550
    status = 400
    message = "No channel is available for this address"


class AlreadySafeListed(VerifyError):
    """The number is on the account's safe list, in this or another spelling."""

    code = 60411
    status = 409
    message = "The phone number is already in the safe list"


class TemplateNeedsText(VerifyError):
    """TemplateSid belongs to the sms and call channels alone."""

    code = 60408
    status = 400
    message = "TemplateSid is supported by the sms and call channels only"


class AppHashNeedsSms(VerifyError):
    """An app hash belongs to the sms channel alone."""

    code = 60602
    status = 400
    message = "AppHash is supported by the sms channel only"


class WhatsappNotConfigured(VerifyError):
    """No sender is configured for WhatsApp."""

    code = 68008
    status = 400
    message = "The whatsapp channel is not configured"


class GateRefused(VerifyError):
    """The gate did not let the caller in; `reason` says why, in one word for machines.

    `missing`, `invalid`, `expired`, `used`, `wrong_host`, `wrong_site`, `wrong_action`,
    `wrong_subject`, `wrong_app`, `wrong_device` or `low_score`.
    """

    code = 60413
    status = 403
    message = "The request does not prove that it comes from a person or a genuine app"

    def __init__(self, reason: str = "invalid") -> None:
        super().__init__()
        self.reason = reason


class GateUnavailable(VerifyError):
    """The gate's provider gave no verdict, so nobody is let in.

    `reason` is `unavailable` (no answer, or the answer of a broken or busy server),
    `misconfigured` (the provider does not know us) or `unreadable`.
    """

    code = 20504
    status = 503
    message = "The check before a request is not available at the moment"

    def __init__(self, reason: str = "unavailable") -> None:
        super().__init__()
        self.reason = reason


class Noted(IntEnum):
    """Numbers that stand in an answer or on an attempt, and refuse nothing."""

    #: Silent network authentication: the number is not that of the SIM.
    SNA_MISMATCH = 60500
    #: Silent network authentication: the device has not opened the URL yet.
    SNA_PENDING = 60519
    #: Silent network authentication: the URL is unknown, used or too old.
    SNA_URL_FAILED = 60520
    #: The carrier look-up failed, and the start went on without it.
    LOOKUP_FAILED = 60600
