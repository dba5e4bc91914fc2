"""Whose fault a refusal of Twilio, Meta and Amazon is: the recipient's, the moment's, or ours."""

import pytest

from django_verify.senders import ACCOUNT, REQUEST, SendError, TemporarySendError
from django_verify.senders.sns import SnsSender
from tests.senders import fakes
from tests.senders.fakes import fake  # noqa: F401 - a fixture
from tests.senders.test_senders_over_http import message, twilio, whatsapp

RECIPIENT = (21211, 21214, 21217, 21265, 21610, 21614, 21635, 63003, 63024, 63033)
OURS = {
    REQUEST: (
        *(21212, 21215, 21216, 21408, 21602, 21603, 21606, 21609, 21612, 21617, 21655, 21656),
        *(21659, 21660, 21703, 63016, 99999),
    ),
    ACCOUNT: (20003, 20005, 21219, 21608),
    "": (20429, 21611, 63018, 63038),
}


@pytest.mark.parametrize("code", RECIPIENT)
def test_twilio_refuses_the_recipient(code, fake):  # noqa: F811
    server = fake(fakes.Twilio)
    server.fault = fakes.Twilio.error(400, code)
    with pytest.raises(SendError) as caught:
        twilio(server.url).send(message())
    assert (type(caught.value), caught.value.code) == (SendError, str(code))


@pytest.mark.parametrize(
    ("fault", "code"), [(fault, code) for fault, codes in OURS.items() for code in codes]
)
def test_twilio_refuses_what_another_sender_may_take(fault, code, fake):  # noqa: F811
    server = fake(fakes.Twilio)
    server.fault = fakes.Twilio.error(400, code)
    with pytest.raises(TemporarySendError) as caught:
        twilio(server.url).send(message())
    found = caught.value
    assert (found.code, found.fault, found.uncertain) == (str(code), fault, False)


WHATSAPP = {
    None: (131021, 131026, 130472),
    REQUEST: (100, 131008, 131009, 131047, 131051, 132000, 132001, 132015, 132016, 135000),
    ACCOUNT: (10, 190, 200, 368, 130497, 131005, 131031, 131042, 131045, 133010),
    "": (1, 2, 4, 80007, 130429, 131000, 131016, 131048, 131056, 131057, 133004),
}


@pytest.mark.parametrize(
    ("fault", "code"), [(fault, code) for fault, codes in WHATSAPP.items() for code in codes]
)
def test_meta_refuses_the_recipient_or_something_else(fault, code, fake):  # noqa: F811
    server = fake(fakes.WhatsApp)
    server.fault = fakes.WhatsApp.error(400, code)
    with pytest.raises(SendError) as caught:
        whatsapp(server.url).send(message("whatsapp"))
    assert caught.value.code == str(code)
    assert isinstance(caught.value, TemporarySendError) == (fault is not None)
    assert getattr(caught.value, "fault", None) == fault


@pytest.mark.parametrize(
    ("status", "code", "parameter", "fault"),
    [
        (400, "InvalidParameter", "PhoneNumber", None),
        (400, "InvalidParameter", "PhoneNumberPool", REQUEST),
        (400, "InvalidParameter", "Message", REQUEST),
        (400, "InvalidParameterValue", "AWS.SNS.SMS.SenderID", REQUEST),
        (400, "ValidationException", "PhoneNumber", REQUEST),
        (400, "Throttling", "", ""),
        (429, "Throttled", "", ""),
        (403, "AuthorizationError", "", ACCOUNT),
        (403, "InvalidClientTokenId", "", ACCOUNT),
        (404, "NotFound", "", ACCOUNT),
        (500, "InternalError", "", ""),
    ],
)
def test_sns_refuses_the_recipient_or_something_else(status, code, parameter, fault, fake):  # noqa: F811
    pytest.importorskip("boto3")
    server = fake(fakes.Sns)
    server.fault = fakes.Sns.error(status, code, parameter)
    with pytest.raises(SendError) as caught:
        SnsSender("it", **fakes.Sns.options | {"endpoint_url": server.url}).send(message())
    assert caught.value.code == code
    assert getattr(caught.value, "fault", None) == fault
