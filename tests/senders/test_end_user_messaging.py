"""AWS End User Messaging: what it is asked, and which of its errors end an attempt."""

import json

import pytest

from django_verify.messages.channels import SPEECH_LOCALES
from django_verify.senders import Message, SendError, TemporarySendError
from django_verify.senders.base import ACCOUNT, REQUEST, UNSUITED
from django_verify.senders.end_user_messaging import VOICES, EndUserMessagingSender
from tests.senders.fakes import CODE, PHONE, EndUserMessaging, fake  # noqa: F401 - a fixture

pytest.importorskip("boto3")
ATTEMPT = "VL" + "0" * 32
INDIAN = "+919876543210"


def message(channel="sms", to=PHONE, **values):
    values = {"locale": "en", "body": f"Your code is: {CODE}"} | values
    return Message(channel, to, values.pop("body"), ATTEMPT, values.pop("locale"), **values)


@pytest.fixture
def aws(fake):  # noqa: F811
    """A sender and the fake that it asks."""
    server = fake(EndUserMessaging)

    def build(**options):
        known = EndUserMessaging.options | {"endpoint_url": server.url}
        return EndUserMessagingSender("it", **known | options), server

    return build


def asked(server):
    call = server.asked[-1]
    return call.headers["x-amz-target"].partition(".")[2], json.loads(call.body)


def test_a_text(aws):
    sender, server = aws(configuration_set="codes", max_price="0.05", ttl=300)
    receipt = sender.send(message())
    assert receipt.provider_sid == "1e5a1c8e-55bc-4bd4-9d56-6a1e4b1e7b3a"
    assert asked(server) == (
        "SendTextMessage",
        {
            "DestinationPhoneNumber": PHONE,
            "OriginationIdentity": "pool-1",
            "MessageBody": f"Your code is: {CODE}",
            "MessageType": "TRANSACTIONAL",
            "ConfigurationSetName": "codes",
            "MaxPrice": "0.05",
            "TimeToLive": 300,
            "Context": {"attempt": ATTEMPT},
        },
    )


@pytest.mark.parametrize(
    ("template", "locale", "expected"),
    [
        ("1107160000000000001", "en", "1107160000000000001"),
        ({"en": "1", "hi": "2"}, "hi", "2"),
        ({"en": "1", "hi": "2"}, "en-GB", "1"),
    ],
)
def test_indias_operators_want_two_ids(template, locale, expected, aws):
    sender, server = aws(india_entity_id="1201159", india_template_id=template)
    sender.send(message(to=INDIAN, locale=locale))
    ids = {"IN_ENTITY_ID": "1201159", "IN_TEMPLATE_ID": expected}
    assert asked(server)[1]["DestinationCountryParameters"] == ids
    sender.send(message(locale=locale))
    assert "DestinationCountryParameters" not in asked(server)[1]


def test_a_language_without_a_template_goes_to_another_sender(aws):
    sender, server = aws(india_entity_id="1201159", india_template_id={"hi": "2"})
    with pytest.raises(TemporarySendError) as caught:
        sender.send(message(to=INDIAN))
    assert (caught.value.fault, server.asked) == (UNSUITED, [])


def test_a_call_speaks_the_language(aws):
    sender, server = aws()
    sender.send(message("call", locale="pt-BR"))
    operation, body = asked(server)
    assert operation == "SendVoiceMessage"
    assert body["OriginationIdentity"] == "+14155550199"
    assert (body["VoiceId"], body["MessageBodyTextType"]) == ("CAMILA", "TEXT")
    assert "MessageType" not in body


@pytest.mark.parametrize(
    "values", [{"locale": "fi"}, {"prompt": "Press any key"}, {"send_digits": "1"}], ids=str
)
def test_a_call_that_it_cannot_make_is_anothers(values, aws):
    sender, server = aws()
    with pytest.raises(TemporarySendError) as caught:
        sender.send(message("call", **values))
    assert (caught.value.fault, server.asked) == (UNSUITED, [])


def test_the_voices_are_the_services_and_the_locales_ours():
    import botocore.session

    model = botocore.session.get_session().get_service_model("pinpoint-sms-voice-v2")
    assert set(VOICES.values()) <= set(model.shape_for("VoiceId").enum)
    assert set(VOICES) <= set(SPEECH_LOCALES)


def test_without_a_number_that_speaks_there_are_no_calls(aws):
    assert aws(call_from="")[0].channels == {"sms"}
    assert aws()[0].channels == {"sms", "call"}


OF_THE_RECIPIENT = [
    ("ConflictException", {"Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT"}),
    (
        "ValidationException",
        {
            "Reason": "FIELD_VALIDATION_FAILED",
            "Fields": [{"Name": "DestinationPhoneNumber", "Message": "bad"}],
        },
    ),
]
OF_OTHERS = [
    ("ConflictException", {"Reason": "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"}, REQUEST),
    ("ConflictException", {"Reason": "NO_ORIGINATION_IDENTITIES_FOUND"}, REQUEST),
    (
        "ConflictException",
        {"Reason": "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"},
        REQUEST,
    ),
    ("ValidationException", {"Reason": "SENDER_ID_REQUIRES_REGISTRATION"}, REQUEST),
    ("ValidationException", {"Reason": "CHANNEL_NOT_ENABLED"}, ACCOUNT),
    (
        "ValidationException",
        {
            "Reason": "FIELD_VALIDATION_FAILED",
            "Fields": [{"Name": "OriginationIdentity", "Message": "bad"}],
        },
        REQUEST,
    ),
    (
        "ValidationException",
        {
            "Reason": "FIELD_VALIDATION_FAILED",
            "Fields": [
                {"Name": "DestinationPhoneNumber", "Message": "bad"},
                {"Name": "MessageBody", "Message": "bad"},
            ],
        },
        REQUEST,
    ),
    ("ValidationException", {"Reason": "FIELD_VALIDATION_FAILED"}, REQUEST),
    ("ValidationException", {"Reason": "A_REASON_OF_TOMORROW"}, REQUEST),
    ("AccessDeniedException", {"Reason": "ACCOUNT_DISABLED"}, ACCOUNT),
    (
        "ServiceQuotaExceededException",
        {"Reason": "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"},
        ACCOUNT,
    ),
    ("ResourceNotFoundException", {"ResourceType": "pool"}, ACCOUNT),
    ("ThrottlingException", {}, ""),
    ("InternalServerException", {"RequestId": "x"}, ""),
    ("AnExceptionOfTomorrow", {}, REQUEST),
]


@pytest.mark.parametrize(("code", "members"), OF_THE_RECIPIENT)
def test_only_a_fault_of_the_recipient_ends_an_attempt(code, members, aws):
    sender, server = aws()
    server.fault = EndUserMessaging.error(400, code, **members)
    with pytest.raises(SendError) as caught:
        sender.send(message())
    assert type(caught.value) is SendError
    assert caught.value.code == members["Reason"]


@pytest.mark.parametrize(("code", "members", "fault"), OF_OTHERS, ids=str)
def test_every_other_error_leaves_it_to_the_next_sender(code, members, fault, aws):
    sender, server = aws()
    server.fault = EndUserMessaging.error(400, code, **members)
    with pytest.raises(TemporarySendError) as caught:
        sender.send(message())
    assert (caught.value.fault, caught.value.uncertain) == (fault, False)
    assert caught.value.code == members.get("Reason", code)


@pytest.mark.parametrize(
    "options",
    [
        {"region": ""},
        {"ttl": 4},
        {"ttl": 300_000},
        {"india_entity_id": "1"},
        {"india_template_id": "1"},
        {"secret_access_key": ""},
    ],
    ids=str,
)
def test_impossible_options(options):
    with pytest.raises(ValueError, match=r"region|ttl|india|both"):
        EndUserMessagingSender("it", **EndUserMessaging.options | options)
