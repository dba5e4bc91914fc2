"""What the tests of senders share: the providers' fakes in the place of the network."""

import json
import traceback
from urllib.parse import urlsplit

import pytest
import requests

from django_verify import senders
from django_verify.net import client
from tests.senders.apis import Asked
from tests.senders.providers import HOSTS, PROVIDERS


class Network:
    """Every provider's fake; `asked` is what was sent, `say` and `fail` come before the fake."""

    def __init__(self):
        self.asked, self.outcome = [], None

    def say(self, status, body=b"", **headers):
        """Answer this to the next request, in place of the fake."""
        self.outcome = status, body, {name.replace("_", "-"): v for name, v in headers.items()}

    def fail(self, error):
        """Raise this at the next request."""
        self.outcome = error

    def answer(self, asked):
        self.asked.append(asked)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        status, body, *headers = self.outcome or HOSTS[asked.host].api(asked)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.Answer(status, *headers, body=raw)


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """Put the fakes where their hosts would be; any other host is reached as always."""
    net, real = Network(), client.call

    def call(method, url, *, form=None, json=None, body=None, headers=None, auth=None, **more):
        if urlsplit(url).netloc not in HOSTS:
            more |= {"form": form, "json": json, "body": body, "headers": headers, "auth": auth}
            return real(method, url, **more)
        assert more == {}
        data = form if body is None else body
        request = requests.Request(method, url, headers, data=data, json=json, auth=auth)
        return net.answer(Asked(request.prepare()))

    monkeypatch.setattr(client, "call", call)
    return net


@pytest.fixture
def sender_of(settings):
    """Build a provider's sender by the settings, as a site would."""

    def sender_of(name, **options):
        cls = {"messagebird": "MessageBird", "africastalking": "AfricasTalking"}
        path = f"django_verify.senders.{name}.{cls.get(name, name.capitalize())}Sender"
        options = {**PROVIDERS[name].options, **options}
        options = {key: value for key, value in options.items() if value is not None}
        settings.DJANGO_VERIFY = {"SENDERS": {"it": {"BACKEND": path, "OPTIONS": options}}}
        return senders.get("it")

    return sender_of


def told_of(error):
    """Everything that an error, and those it came from, could show."""
    seen = error
    while seen is not None:
        yield from (str(seen), repr(seen), repr(vars(seen)))
        seen = seen.__context__
    yield from traceback.format_exception(error)
