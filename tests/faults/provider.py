"""A provider that fails as asked, holds anyone who asks up at a gate, and counts each message it got."""

import json
import threading
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

from tests.conftest import code_in
from tests.senders import fakes

PATIENCE = 120
SENDERS = ("first", "second")
ENDLESS = (fakes.slow, fakes.drip, fakes.drip_body)


class Gate:
    """Where a request waits: `reached` is set once it is there, `open` lets it go on."""

    def __init__(self):
        self.reached, self.open, self.process = threading.Event(), threading.Event(), 0

    def wait(self):
        """Wait for a process to come; return its number, where the place knows it."""
        assert self.reached.wait(PATIENCE), "nobody came to the gate"
        return self.process


class Provider(fakes.Fake):
    """Its places are the senders `first` and `second`, and the moments that processes report."""

    def __init__(self):
        self.plan, self.gates, self.held, self.declined, self.count = {}, {}, [], set(), 0
        super().__init__()
        self.fault = _act

    def fail(self, place, fault, to=""):
        """Have a place fail, for one number or for all."""
        self.plan[place, to] = fault

    def fault_of(self, place, to):
        return self.plan.get((place, to)) or self.plan.get((place, ""), 200)

    def hold(self, place, to=""):
        """Have the next request to a place wait, the one of a number or of any."""
        gate = self.gates[place, to] = Gate()
        self.held.append(gate)
        return gate

    def forget(self):
        """End what a cell has asked for."""
        self.plan, self.gates = {}, {}
        for gate in self.held:
            gate.open.set()
        self.held.clear()
        self.asked.clear()

    def messages(self, attempt):
        """The messages of an attempt that may have left: which sender, which code."""
        found = [
            (asked.path.strip("/"), json.loads(asked.body))
            for asked in self.asked
            if asked.body and asked.peer not in self.declined
        ]
        return [
            (alias, code_in(SimpleNamespace(channel="sms", body=message["text"])))
            for alias, message in found
            if message["attempt"] == attempt.sid
        ]

    def received(self, moment):
        """How often processes have reported a moment."""
        return sum(asked.path == f"/{moment}" for asked in self.asked)


def _act(provider, handler):
    url = urlsplit(handler.path)
    place, query = url.path.strip("/"), dict(parse_qsl(url.query))
    to = query.get("to", "")
    if gate := provider.gates.pop((place, to), None) or provider.gates.pop((place, ""), None):
        gate.process = int(query["process"])
        gate.reached.set()
        gate.open.wait(PATIENCE)
    if place not in SENDERS:
        # What ends by a time-out only is not waited for as long as in earnest.
        endless = provider.fault_of(query.get("sender"), to) in ENDLESS
        answer(handler, 200, b"0.5" if endless else b"120")
        return
    fault = provider.fault_of(place, to)
    if callable(fault):
        fault(provider, handler)
        return
    if fault == 503:  # it says that nothing was done
        provider.declined.add(handler.client_address)
    provider.count += 1
    content = {"id": f"SM{provider.count}"} if fault == 200 else {}
    answer(handler, fault, json.dumps(content).encode())


def answer(handler, status, data):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)
