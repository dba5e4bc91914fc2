"""A receiver of events on loopback, and the events it is sent."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from django_verify.events import outbox
from django_verify.models import Challenge, Entity, Factor, Webhook, WebhookDelivery

FACTOR = {
    "sid": "YF" + "0" * 32,
    "factor_type": "push",
    "friendly_name": "Phone",
}
CHALLENGE = {
    "sid": "YC" + "0" * 32,
    "details": {"message": "Log in?"},
    "hidden_details": {"ip": "192.0.2.1"},
    "metadata": {},
}


class Receiver:
    """A server on loopback: keeps what it is sent, and answers as asked."""

    def __init__(self, port=0):
        outer = self
        self.requests, self.answers, self.gate = [], [], None

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((f"{outer.url}{self.path[1:]}", dict(self.headers), body))
                if outer.gate:
                    outer.gate.wait(300)
                status, headers = outer.answers.pop(0) if outer.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        if self.gate:
            self.gate.set()
        self.server.shutdown()
        self.server.server_close()


def make_webhook(service, **values):
    values = {"friendly_name": "Hook", "event_types": ["*"], **values}
    values.setdefault("webhook_url", "https://hooks.example.com/verify?tenant=1")
    return Webhook.objects.create(service=service, **values)


def notify(service, kind="created"):
    entity = Entity(identity="user-7")
    factor = Factor(service=service, account=service.account, entity=entity, **FACTOR)
    if kind in {"approved", "denied"}:
        return outbox.challenge_event(kind, Challenge(factor=factor, **CHALLENGE))
    return outbox.factor_event(kind, factor)


def the_row():
    return WebhookDelivery.objects.get()
