"""A sender over HTTP that reports its provider when it is about to send, and when it has its answer."""

import os
import threading
from dataclasses import replace
from urllib.parse import urlencode
from urllib.request import urlopen

from django_verify.senders.http import HttpSender

FIELDS = {"to": "{to}", "text": "{body}", "attempt": "{attempt_sid}"}


class Watched(HttpSender):
    """At both moments the provider may hold it up, for whatever is to happen just then."""

    def request(self, message):
        asked = super().request(message)
        return replace(asked, url=f"{asked.url}&process={os.getpid()}")

    def send(self, message):
        now.patience = float(notify(self.url, "before", to=message.to, sender=self.alias))
        receipt = super().send(message)
        notify(self.url, "after", to=message.to)
        return receipt


class Now(threading.local):
    """How many seconds the call in hand waits for a silence to end."""

    patience = 120.0


now = Now()


def notify(provider, moment, **more):
    """Tell a provider of a moment, and return what it answers, when it does."""
    query = urlencode({"process": os.getpid(), **more})
    with urlopen(f"{provider.rpartition('/')[0]}/{moment}?{query}", timeout=120) as answer:
        return answer.read()


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
        "DISPATCH": "tests.delivery.test_attempts.nobody",
        # Several cells fail at once, and no sender shall be skipped for that.
        "BREAKER_FAILURES": 1000,
        # Their starts are many, to numbers next to each other, and no code is entered.
        "GUARD_LEVEL": "off",
        **values,
    }
