"""The senders over REST APIs on a real connection: what is written, and what a lost one means."""

import pytest

from django_verify.senders import Message, Receipt, TemporarySendError
from tests.senders.apis import PHONE
from tests.senders.fakes import FAULTS, Fake, fake  # noqa: F401 - the last is a fixture
from tests.senders.providers import PROVIDERS

every_provider = pytest.mark.parametrize("name", PROVIDERS)


@pytest.fixture
def server(fake):  # noqa: F811
    """A provider's fake on loopback, and the options that lead to it."""

    def server(name):
        kind = type(name, (Fake,), {"answer": lambda self, asked: PROVIDERS[name].api(asked)})
        found = fake(kind)
        if "endpoint" in PROVIDERS[name].options:
            return found, {"endpoint": found.url}
        hosts = len(PROVIDERS[name].host.split())
        return found, {"base_url": found.url} | ({"voice_url": found.url} if hosts > 1 else {})

    return server


def message(channel):
    body, attempt = "Your code is: 904716", "VL" + "0" * 32
    return Message(channel, PHONE, body, attempt, "en", code="904716")


@every_provider
def test_the_provider_takes_it(name, sender_of, server):
    _, options = server(name)
    sender = sender_of(name, **options)
    for channel, receipt in PROVIDERS[name].receipts.items():
        assert sender.send(message(channel)) == Receipt(*receipt)


@every_provider
@pytest.mark.parametrize("fault", ["hung up", "reset"])
def test_a_connection_lost_after_the_request_is_uncertain(name, fault, sender_of, server):
    found, options = server(name)
    found.fault = FAULTS[fault]
    with pytest.raises(TemporarySendError) as caught:
        sender_of(name, **options).send(message("sms"))
    assert caught.value.uncertain is True
    assert len(found.asked) == 1


@every_provider
def test_a_refused_connection_is_not(name, sender_of, server):
    found, options = server(name)
    found.close()
    with pytest.raises(TemporarySendError) as caught:
        sender_of(name, **options).send(message("sms"))
    assert caught.value.uncertain is False


@every_provider
def test_a_redirect_is_not_followed(name, sender_of, server):
    found, options = server(name)
    found.fault = 307, b"", {"Location": found.url}
    with pytest.raises(TemporarySendError):
        sender_of(name, **options).send(message("sms"))
    assert len(found.asked) == 1
