"""What the tests of senders share: the providers' fakes in the place of the network."""

import json
from urllib.parse import urlsplit

import pytest
import requests

from django_verify import transport
from tests.senders.providers import HOSTS, Asked


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
        return transport.Answer(status, *headers, body=raw)


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """Put the fakes where their hosts would be; any other host is reached as always."""
    net, real = Network(), transport.call

    def call(method, url, *, form=None, json=None, headers=None, auth=None, **more):
        if urlsplit(url).netloc not in HOSTS:
            more |= {"form": form, "json": json, "headers": headers, "auth": auth}
            return real(method, url, **more)
        assert more == {}
        request = requests.Request(method, url, headers, data=form, json=json, auth=auth)
        return net.answer(Asked(request.prepare()))

    monkeypatch.setattr(transport, "call", call)
    return net
