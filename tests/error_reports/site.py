"""A site with Sentry as it comes, or by the recipe; prints each report that would have left."""

import json
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.error_reports.settings"

import django

django.setup()

import sentry_sdk
from django.core.management import call_command
from django.test import Client
from sentry_sdk.transport import Transport

from django_verify.error_reports import before_send
from django_verify.models import Account, VerifyService

reports = []


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
    client = Client(raise_request_exception=False)
    basic = {"authorization": _basic(account.sid, token)}
    jsonly = {"content_type": "application/json"}
    path = f"/v2/Services/{service.sid}"
    one = "/mobile/verifications/CV" + "0" * 32
    client.post("/mobile/verifications", json.dumps({"to": number, "gate_token": secret}), **jsonly)
    client.post(f"{one}/check", json.dumps({"client_secret": secret, "code": code}), **jsonly)
    client.post(f"{one}/resend", json.dumps({"client_secret": secret}), **jsonly)
    client.get(one, headers={"client-secret": secret})
    form = {"content_type": "application/x-www-form-urlencoded", "headers": basic}
    client.post(
        f"{path}/Verifications", f"To=%2B{number[1:]}&Channel=sms&CustomCode={code}", **form
    )
    client.post(f"{path}/VerificationCheck", f"To=%2B{number[1:]}&Code={code}", **form)
    client.get(f"{path}/Verifications/{number}", headers=basic)
    client.get(f"{path}/Verifications/{mail}", headers=basic)
    client.get(f"/v2/Attempts?To=%2B{number[1:]}", headers=basic)
    client.post("/code/", {"code": code, "verification": "x"})
    client.post("/", {"number": number, "email": mail, "country": "US"})
    client.post("/own/", {"to": number, "code": code}, headers={"verify-proof-token": secret})
    sentry_sdk.flush()
    print(json.dumps(reports))


def _basic(name, secret):
    import base64

    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


main(sys.argv[1] == "recipe", json.load(sys.stdin))
