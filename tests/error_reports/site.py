"""A site with Sentry as it comes, or by the recipe; prints each report that would have left."""

import json
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.error_reports.settings"

import django

django.setup()

import sentry_sdk
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.test import Client, RequestFactory
from sentry_sdk.transport import Transport

from django_verify.error_reports import before_send
from django_verify.models import Account, VerifyService

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
reports = []
application = get_wsgi_application()


class Kept(Transport):
    """Keeps what would be posted."""

    def capture_envelope(self, envelope):
        reports.extend(item.payload.json for item in envelope.items if item.payload.json)


def main(recipe, planted):
    more = {"before_send": before_send, "before_send_transaction": before_send} if recipe else {}
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Kept,
        traces_sample_rate=1.0,
        attach_stacktrace=True,
        auto_session_tracking=False,
        **more,
    )
    call_command("migrate", verbosity=0)
    account = Account(friendly_name="Acme")
    token = account.set_auth_token()
    account.save()
    service = VerifyService.objects.create(account=account, friendly_name="Acme")
    service.client_enabled = True
    service.save()
    number, mail, code, secret = (planted[n] for n in ("number", "mail", "code", "secret"))
    basic = {"authorization": _basic(account.sid, token)}
    path, one = f"/v2/Services/{service.sid}", "/mobile/verifications/CV" + "0" * 32
    start = f"To=%2B{number[1:]}&Channel=sms&CustomCode={code}"
    ask("POST", "/mobile/verifications", JSON, {"to": number, "gate_token": secret})
    ask("POST", f"{one}/check", JSON, {"client_secret": secret, "code": code})
    ask("POST", f"{one}/resend", JSON, {"client_secret": secret})
    ask("GET", one, headers={"client-secret": secret})
    ask("POST", f"{path}/Verifications", FORM, start, basic)
    ask("POST", f"{path}/VerificationCheck", FORM, f"To=%2B{number[1:]}&Code={code}", basic)
    ask("GET", f"{path}/Verifications/{number}", headers=basic)
    ask("GET", f"{path}/Verifications/{mail}", headers=basic)
    ask("GET", f"{path}/Verifications/{mail}?To=%2B{number[1:]}", headers=basic)
    own = f"to=%2B{number[1:]}&code={code}"
    ask("POST", "/own/", FORM, own, {"verify-proof-token": secret})
    pages = Client(raise_request_exception=False)  # which asks for no CSRF token
    pages.post("/code/", {"code": code, "verification": "x"})
    pages.post("/", {"number": number, "email": mail, "country": "US"})
    sentry_sdk.flush()
    print(json.dumps(reports))


def ask(method, path, kind="", body="", headers=None):
    """Make a request as a server does: the test client passes Sentry's handler by."""
    text = json.dumps(body) if kind == JSON else body
    request = RequestFactory().generic(method, path, text, kind, headers=headers)
    list(application(request.environ, lambda *answer: None))


def _basic(name, secret):
    import base64

    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


main(sys.argv[1] == "recipe", json.load(sys.stdin))
