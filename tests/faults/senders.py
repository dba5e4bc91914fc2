"""A sender over HTTP that tells its provider when it is about to send, and when it has its answer."""

import os
from dataclasses import replace
from urllib.request import urlopen

from django_verify.senders.http import HttpSender

FIELDS = {"to": "{to}", "text": "{body}", "attempt": "{attempt_sid}"}


class Watched(HttpSender):
    """At both moments the provider may hold it up, for whatever is to happen just then."""

    def request(self, message):
        asked = super().request(message)
        return replace(asked, url=f"{asked.url}&process={os.getpid()}")

    def send(self, message):
        tell(self.url, "before")
        receipt = super().send(message)
        tell(self.url, "after")
        return receipt


def tell(provider, moment):
    """Tell a provider of a moment, and return when it says so."""
    url = f"{provider.rpartition('/')[0]}/{moment}?process={os.getpid()}"
    with urlopen(url, timeout=60) as answer:
        answer.read()


def configured(provider, **values):
    """The settings of a site whose senders `first` and `second` are this provider's."""
    kinds = dict.fromkeys(("first", "second"), f"{__name__}.Watched")
    urls = {alias: f"{provider.url}/{alias}?to={{to}}" for alias in kinds}
    # Nobody listens there: the port is a privileged one that no test opens.
    kinds["nowhere"], urls["nowhere"] = (
        "django_verify.senders.http.HttpSender",
        "http://127.0.0.1:9",
    )
    senders = {
        alias: {"BACKEND": kind, "OPTIONS": {"url": urls[alias], "fields": FIELDS, "id_path": "id"}}
        for alias, kind in kinds.items()
    }
    return {
        "SENDERS": senders,
        "ROUTES": {"sms": ["first", "second"]},
        "DELIVERY_LEASE": LEASE,
        "DISPATCH": "tests.test_delivery.nobody",
        **values,
    }


#: Seconds after which a process that died is taken over; the senders are done in less.
LEASE = 3
