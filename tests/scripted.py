"""Senders that do what a test says: by alias, what `send` raises or returns."""

import json

from django_verify.senders import CallbackRefused, Receipt, Report, TemporarySendError, locmem

BUSY = TemporarySendError("busy", code="503")
LATE = TemporarySendError("no answer", uncertain=True)


class Scripted(locmem.LocmemSender):
    """Answers with what its script says, by alias; then as locmem does, with an id of its own."""

    script: dict = {}
    asked: list = []

    def send(self, message):
        self.asked.append(self.alias)
        outcome = self.script.get(self.alias)
        if callable(outcome):
            outcome = outcome(message)
        if isinstance(outcome, Exception):
            raise outcome
        super().send(message)
        return outcome or Receipt()


class Reporting(Scripted):
    """Reports: a JSON list of [id, status, code], signed by the word `right` in a header."""

    reporting = True

    def reports(self, callback):
        if callback.headers.get("x-signature") != f"right {callback.url}":
            raise CallbackRefused
        return [Report(*row) for row in json.loads(callback.body)]

    def handshake(self, callback):
        if "refuse" in callback.url:
            raise CallbackRefused
        return "challenge<b>" if "hub=" in callback.url else None


def configured(reporting=(), aliases=("a", "b", "c"), **values):
    """The settings of a site with these senders."""
    kinds = {alias: "Reporting" if alias in reporting else "Scripted" for alias in aliases}
    return {
        "SENDERS": {alias: {"BACKEND": f"{__name__}.{kind}"} for alias, kind in kinds.items()},
        **values,
    }
