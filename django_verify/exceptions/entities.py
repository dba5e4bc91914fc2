"""Errors of factors, challenges, notifications and access tokens."""

from __future__ import annotations

from django_verify.exceptions.base import InvalidParameter, VerifyError


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
    """The device was registered without notifications; it asks by itself."""

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


class TooManyEntities(VerifyError):
    """Too many entities were created for the account in a second."""

    code = 60328
    status = 429
    message = "Max entities created for the account in a second reached"


class TooManyEnrolments(VerifyError):
    """Too many factors were created for the entity in a day."""

    code = 60326
    status = 429
    message = "Max factors created for the entity in a day reached"
