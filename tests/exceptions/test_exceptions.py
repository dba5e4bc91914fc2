"""The family of errors: numbers, HTTP statuses, messages, and life across processes."""

import copy
import pickle
from collections import Counter

import pytest

from django_verify import exceptions
from django_verify.exceptions import InvalidParameter, MalformedRequest, VerifyError

# The vendor's number and HTTP status of each class.
WIRE = {
    "VerifyError": (20500, 500),
    "AuthenticationRequired": (20003, 401),
    "MethodNotSupported": (20004, 405),
    "PageTooLarge": (20007, 400),
    "Forbidden": (20403, 403),
    "NotFound": (20404, 404),
    "MalformedRequest": (20422, 400),
    "LengthRequired": (20422, 411),
    "BodyTooLarge": (20422, 413),
    "UnsupportedBody": (20422, 415),
    "TooManyRequests": (20429, 429),
    "ServiceUnavailable": (20503, 503),
    "InvalidParameter": (60200, 400),
    "DestinationRefused": (60605, 403),
    "FraudBlocked": (60410, 403),
    "TemplateNotApproved": (60201, 400),
    "MaxChecksReached": (60202, 429),
    "MaxSendsReached": (60203, 429),
    "FeatureDisabled": (60204, 403),
    "TransactionRequired": (60206, 400),
    "TooManyRateLimits": (60207, 400),
    "RateLimitExists": (60208, 400),
    "RateLimitNameInvalid": (60209, 400),
    "TooManyBuckets": (60210, 400),
    "BucketExists": (60211, 400),
    "ConcurrentStarts": (60212, 429),
    "DuplicateMessagingCountry": (60213, 400),
    "ChannelWithoutPsd2": (60214, 400),
    "EmailNotConfigured": (60217, 400),
    "CheckTargetMissing": (60221, 400),
    "ChannelDisabled": (60223, 403),
    "Conflict": (20409, 409),
    "LandlineRefused": (60205, 403),
    "EmailTemplateUnknown": (60218, 400),
    "EmailSenderNotAllowed": (60222, 403),
    "SnaWithoutPsd2": (60329, 400),
    "SnaFailed": (60510, 503),
    "NoUsableChannel": (60550, 400),
    "InvalidFactorParameter": (60306, 400),
    "MissingFactorParameter": (60300, 400),
    "InvalidAccessTokenParameter": (60305, 400),
    "EntityExists": (60301, 409),
    "PlatformWithoutNotifications": (60307, 400),
    "MaxChallengeChecksReached": (60308, 429),
    "MaxNotificationsReached": (60309, 429),
    "MaxFactorChecksReached": (60310, 429),
    "FactorVerificationFailed": (60311, 403),
    "TooManyChallenges": (60312, 429),
    "FactorNotAllowed": (60313, 403),
    "InvalidBinding": (60314, 400),
    "TooManyFactors": (60315, 400),
    "BindingExists": (60317, 409),
    "InvalidPasskeyFactorSid": (60362, 400),
    "InvalidPasskeyEntity": (60365, 400),
    "InvalidPasskeyIdentity": (60367, 400),
    "PasskeysElsewhere": (60369, 400),
    "InvalidPasskeyConfig": (60370, 400),
    "InvalidRelyingParty": (60371, 400),
    "InvalidRelyingPartyId": (60372, 400),
    "InvalidCredentialId": (60375, 400),
    "InvalidRawId": (60376, 400),
    "InvalidAttachment": (60377, 400),
    "InvalidCredentialResponse": (60378, 400),
    "InvalidAuthenticatorData": (60379, 400),
    "InvalidClientData": (60380, 400),
    "InvalidCredentialSignature": (60381, 400),
    "RelyingPartyMismatch": (60382, 400),
    "PasskeyRegistrationOver": (60383, 400),
    "InvalidCredentialKey": (60385, 400),
    "InvalidAttestation": (60386, 400),
    "InvalidAttestedData": (60387, 400),
    "InvalidDisplayName": (60388, 400),
    "PasskeyNotFound": (60390, 404),
    "PasskeyChallengeNotFound": (60391, 404),
    "PasskeyEntityNotFound": (60392, 404),
    "MissingCriteria": (60393, 400),
    "FactorUnverified": (60318, 403),
    "ChallengeAnswered": (60322, 403),
    "ChallengeExpired": (60323, 403),
    "ChallengeVerificationFailed": (60324, 403),
    "TooManyEnrolments": (60326, 429),
    "TooManyEntities": (60328, 429),
    "AlreadySafeListed": (60411, 409),
    "InvalidSubstitutions": (60224, 400),
    "TemplateWithoutChannel": (60227, 400),
    "TemplateNotFound": (60228, 400),
    "TranslationNotFound": (60229, 400),
    "CustomMessageUnsupported": (60243, 400),
    "MessageTooLong": (60247, 400),
    "RestrictedWord": (60248, 400),
    "LocaleNotSpoken": (60331, 400),
    "TemplateNeedsText": (60408, 400),
    "AppHashNeedsSms": (60602, 400),
    "WhatsappNotConfigured": (68008, 400),
    "GateRefused": (60413, 403),
    "GateUnavailable": (20504, 503),
}
FAMILY = [
    value
    for value in vars(exceptions).values()
    if isinstance(value, type) and issubclass(value, VerifyError)
]


def make(kind):
    return kind("to", "too long") if issubclass(kind, InvalidParameter) else kind()


def each():
    return [pytest.param(kind, id=kind.__name__) for kind in FAMILY]


def test_the_table_names_the_whole_family():
    assert {kind.__name__ for kind in FAMILY} == set(WIRE)


def descendants(kind):
    return {kind}.union(*map(descendants, kind.__subclasses__()))


def test_every_chapter_is_exported():
    # Those of callers without credentials are no errors of the API's, and stand with their verbs.
    here = {
        kind
        for kind in descendants(VerifyError)
        if kind.__module__.startswith("django_verify.exceptions")
    }
    assert here == set(FAMILY)
    assert exceptions.Noted.LOOKUP_FAILED


@pytest.mark.parametrize("kind", each())
def test_number_and_status_are_the_vendors(kind):
    assert (kind.code, kind.status) == WIRE[kind.__name__]


def test_a_number_names_one_class_outside_the_malformed_requests():
    rest = [kind for kind in FAMILY if not issubclass(kind, MalformedRequest)]
    numbers = Counter(kind.code for kind in [*rest, MalformedRequest])
    assert set(numbers.values()) == {1}
    malformed = [kind for kind in FAMILY if issubclass(kind, MalformedRequest)]
    assert {kind.code for kind in malformed} == {MalformedRequest.code}
    assert len({kind.status for kind in malformed}) == len(malformed)


@pytest.mark.parametrize("kind", each())
def test_the_status_is_an_error(kind):
    assert 400 <= kind.status <= 599
    ours = {VerifyError, exceptions.SnaFailed, exceptions.ServiceUnavailable}
    ours.add(exceptions.GateUnavailable)
    assert (kind.status >= 500) == (kind in ours)


@pytest.mark.parametrize("kind", each())
def test_every_class_has_a_message_and_a_docstring(kind):
    error = make(kind)
    assert error.message.strip()
    assert str(error) == error.message
    assert error.retry_after is None
    assert kind.__doc__


def test_messages_are_distinguished():
    # Of one shape, received apart by the parameter that they name.
    of_a_parameter = set(exceptions.InvalidParameter.__subclasses__())
    messages = Counter(make(kind).message for kind in FAMILY if kind not in of_a_parameter)
    assert set(messages.values()) == {1}


def test_a_message_may_be_given():
    error = exceptions.TooManyRequests("Slow down", retry_after=30)
    assert (str(error), error.message, error.retry_after) == ("Slow down", "Slow down", 30)
    assert exceptions.TooManyRequests().message == "Too many requests"


def test_a_reached_limit_is_named_across_processes():
    error = exceptions.TooManyRequests(retry_after=30, limit="end_user_ip")
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.limit, copied.retry_after) == ("end_user_ip", 30)
    assert exceptions.TooManyRequests().limit == ""


def test_an_invalid_parameter_is_named():
    error = InvalidParameter("custom_code", "too short")
    assert (error.parameter, error.reason) == ("custom_code", "too short")
    assert str(error) == error.message == "Invalid parameter `custom_code`: too short"


@pytest.mark.parametrize("kind", [exceptions.GateRefused, exceptions.GateUnavailable])
def test_the_reason_of_a_gate_crosses_processes(kind):
    copied = pickle.loads(pickle.dumps(kind("expired")))
    assert (copied.reason, copied.message) == ("expired", kind.message)
    assert str(copied) == kind.message


@pytest.mark.parametrize("kind", each())
def test_an_error_crosses_processes(kind):
    error = make(kind)
    error.retry_after = 30
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is kind
    assert vars(copied) == vars(error)
    assert str(copied) == str(error)


@pytest.mark.parametrize("kind", each())
def test_an_error_can_be_copied(kind):
    assert str(copy.copy(make(kind))) == str(make(kind))
