"""Fakes of providers' HTTP APIs, each as its documentation has it.

A fake gets one request, refuses what the provider would, and answers as documented.
"""

import base64
import hashlib
import hmac
import json
import time
from functools import cache
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

CALLBACK = "https://verify.example.org/reports/it?hello=w%20orld"
PHONE = "+14155552671"
SECRET = "s3cret-of-the-account"
ED25519 = ed25519.Ed25519PrivateKey.generate()
ED25519_PUBLIC = base64.b64encode(
    ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
).decode()
_PEM = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()


@cache
def rsa_key():
    # A small one, for each sender that is built looks whether it is sound.
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


@cache
def rsa_pem():
    return rsa_key().private_bytes(*_PEM).decode()


def ed25519_pem():
    return ED25519.private_bytes(*_PEM).decode()


class Asked:
    """One request as it would be on the wire."""

    def __init__(self, prepared):
        url = urlsplit(prepared.url)
        self.method, self.host, self.path = prepared.method, url.netloc, url.path
        self.query_string = url.query
        self.headers = {name.lower(): value for name, value in prepared.headers.items()}
        self.body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body

    @property
    def form(self):
        assert self.headers["content-type"] == "application/x-www-form-urlencoded"
        values = parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=True)
        return {name: value for name, (value,) in values.items()}

    @property
    def json(self):
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    @property
    def authorization(self):
        return self.headers.get("authorization", "")


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def part(data):
    """One part of a JWT."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwt(claims, secret=SECRET, alg="HS256", method="sha256"):
    head = f"{part({'alg': alg, 'typ': 'JWT'})}.{part(claims)}"
    return f"{head}.{part(hmac.digest(secret.encode(), head.encode(), method))}"


def unpart(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sha256(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


def hmac64(secret, data):
    return base64.b64encode(hmac.digest(secret.encode(), data, "sha256")).decode()


def compact(data):
    return json.dumps(data, separators=(",", ":")).encode()


def vonage(asked):
    if asked.path == "/sms/json":
        form = asked.form
        if asked.authorization != basic("key", "api-s3cret"):
            status = "4"
        elif not {"from", "to", "text"} <= set(form):
            status = "2"
        elif not (form["to"].isdigit() and form["type"] in {"text", "unicode"}):
            status = "3"
        else:
            taken = {"to": form["to"], "message-id": "0A0000000123ABCD1", "status": "0"}
            taken |= {"remaining-balance": "3.14", "message-price": "0.03330000", "network": "1"}
            return 200, {"message-count": "1", "messages": [taken]}
        return 200, vonage_error(status)
    assert asked.path == "/v1/calls"
    head, _, signature = asked.authorization.removeprefix("Bearer ").rpartition(".")
    rsa_key().public_key().verify(
        unpart(signature), head.encode(), padding.PKCS1v15(), SHA256()
    )  # raises
    header, claims = (json.loads(unpart(one)) for one in head.split("."))
    assert header == {"alg": "RS256", "typ": "JWT"}
    if claims["application_id"] != "app-1" or not claims["iat"] <= time.time() <= claims["exp"]:
        return 401, {"type": "UNAUTHORIZED", "error_title": "Unauthorized"}
    if not {"to", "from", "ncco"} <= set(asked.json):
        return 400, {"title": "Bad Request"}
    call = "63f61863-4a51-4f6b-86e1-46edebcf9356"
    return 201, {"uuid": call, "status": "started", "direction": "outbound"}


def vonage_error(*statuses):
    text = f"Something about {PHONE}"
    parts = [{"status": one, "error-text": text, "message-id": "0A"} for one in statuses]
    return {"message-count": str(len(parts)), "messages": parts}


def messagebird(asked):
    if asked.authorization != "AccessKey key-1":
        return 401, messagebird_error(2)
    body = asked.json
    if not {"originator", "body", "recipients"} <= set(body):
        return 422, messagebird_error(9)
    if asked.path == "/voicemessages" and "-" not in body["language"]:
        return 422, messagebird_error(10)
    assert asked.path in {"/messages", "/voicemessages"}
    return 201, messagebird_answer(1, "sent")


def messagebird_answer(sent, status):
    items = [
        {"recipient": int(PHONE[1:]), "status": status, "statusDatetime": "2026-05-03T14:26:57"}
    ]
    counts = {"totalCount": 1, "totalSentCount": sent, "totalDeliveredCount": 0}
    counts |= {"totalDeliveryFailedCount": 1 - sent, "items": items}
    return {"id": "e8077d803532c0b5937c639b60216938", "recipients": counts}


def messagebird_error(code, parameter="recipients"):
    text = f"no (correct) recipients found: {PHONE}"
    return {"errors": [{"code": code, "description": text, "parameter": parameter}]}


def bird(asked):
    assert asked.path == "/workspaces/w-1/channels/c-1/messages"
    if asked.authorization != "AccessKey key-1":
        return 401, {"code": "Unauthorized", "message": "who?"}
    body = asked.json
    (contact,) = body["receiver"]["contacts"]
    if contact["identifierKey"] != "phonenumber" or body["body"]["type"] != "text":
        return 422, {"code": "InvalidPayload", "message": f"no {PHONE}"}
    return 202, {"id": "b3f42dc4-1bf8-4b6b-9a3b-111111111111", "status": "accepted"}


def plivo(asked):
    if asked.method == "GET":
        assert asked.authorization == basic("MA1", SECRET)
        return plivo_state(asked.path.split("/")[-2], "delivered")
    assert asked.path == "/v1/Account/MA1/Message/"
    if asked.authorization != basic("MA1", SECRET):
        return 401, b"Could not verify your access level for that URL."
    if not ({"dst", "text"} <= set(asked.json) and {"src", "powerpack_uuid"} & set(asked.json)):
        return 400, {"api_id": "1", "error": f"{PHONE} is not valid"}
    sid = "db3ce55a-7f1d-11e1-8ea7-1231380bc196"
    return 202, {"message": "message(s) queued", "message_uuid": [sid], "api_id": "1"}


def plivo_state(sid, state, code="000"):
    found = {"message_uuid": sid, "message_state": state, "error_code": code, "units": 1}
    return 200, found | {"total_amount": "0.00350", "message_type": "sms", "api_id": "1"}


def sinch(asked):
    if asked.path == "/calling/v1/callouts":
        if asked.authorization != basic("vkey", "v-s3cret"):
            return 401, {"errorCode": 40100, "message": "Unauthorized", "reference": "r"}
        callout = asked.json["ttsCallout"]
        if not ({"destination", "text", "locale"} <= set(callout)):
            return 400, {"errorCode": 40001, "message": f"no {PHONE}", "reference": "r"}
        return 200, {"callId": "1398599d-40af-4b75-95c9-dc01ff24e8b6"}
    assert asked.path == "/xms/v1/plan-1/batches"
    if asked.authorization != "Bearer token-1":
        return 401, b""
    if not ({"to", "body"} <= set(asked.json)):
        return 400, {"code": "syntax_constraint_violation", "text": f"no {PHONE}"}
    return 201, {"id": "01FC66621XXXXX119Z8PMV1QPQ", "to": asked.json["to"], "canceled": False}


def telnyx(asked):
    assert asked.path == "/v2/messages"
    if asked.authorization != "Bearer KEY1":
        return 401, telnyx_error("10009")
    if not (
        {"to", "text"} <= set(asked.json) and {"from", "messaging_profile_id"} & set(asked.json)
    ):
        return 422, telnyx_error("10004")
    data = {"id": "40385f64-5717-4562-b3fc-2c963f66afa6", "record_type": "message"}
    data |= {"to": [{"phone_number": asked.json["to"], "status": "queued"}]}
    return 200, {"data": data | {"cost": {"amount": "0.0051", "currency": "USD"}}}


def telnyx_error(code, pointer=""):
    error = {"code": code, "title": "no", "detail": f"about {PHONE}"}
    return {"errors": [error | ({"source": {"pointer": pointer}} if pointer else {})]}


def africastalking(asked):
    assert asked.path == "/version1/messaging"
    if asked.headers.get("apikey") != "key-1":
        return 401, b"The supplied authentication is invalid"
    form = asked.form
    if form["username"] != "acme" or not {"to", "message"} <= set(form):
        return 400, b"Must have a value"
    return 201, africastalking_answer(101, "Success", sid="ATPid_SampleTxnId123")


def africastalking_answer(code, status, sid="None"):
    recipient = {"statusCode": code, "number": PHONE, "status": status, "messageId": sid}
    recipient["cost"] = "KES 0.8000" if sid != "None" else "0"
    return {"SMSMessageData": {"Message": f"Sent to {PHONE}", "Recipients": [recipient]}}


TELEGRAM_TOKEN = "AAEAAADGpW-Ul1sZgZ3Sg8bNNpXXXXXXXXXX"
AZURE_KEY = base64.b64encode(b"access key of the resource").decode()
ALIYUN_KEY, TENCENT_KEY = "aliyun-s3cret", "tencent-s3cret"


def telegram(asked):
    assert asked.path == "/sendVerificationMessage"
    if asked.headers.get("authorization") != f"Bearer {TELEGRAM_TOKEN}":
        return 200, {"ok": False, "error": "ACCESS_TOKEN_INVALID"}
    body = asked.json
    if not (body["phone_number"].startswith("+") and body["code"].isdigit()):
        return 200, {"ok": False, "error": "PHONE_NUMBER_INVALID"}
    assert 4 <= len(body["code"]) <= 8
    assert len(body.get("callback_url", "")) <= 256
    assert len(body["payload"]) <= 128
    result = {"request_id": "1095104830453", "phone_number": body["phone_number"]}
    result |= {"request_cost": 0.01, "remaining_balance": 9.99, "payload": body["payload"]}
    result["delivery_status"] = {"status": "sent", "updated_at": 1772366400}
    return 200, {"ok": True, "result": result}


def aliyun(asked):
    given = dict(
        part.split("=", 1) for part in asked.headers["authorization"].split(" ")[1].split(",")
    )
    names = given["SignedHeaders"].split(";")
    assert {"host", "x-acs-date", "x-acs-content-sha256", "x-acs-signature-nonce"} <= set(names)
    headers = asked.headers | {"host": asked.host}
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    query = asked.query_string
    assert query == "&".join(sorted(query.split("&")))
    digest = hashlib.sha256(asked.body or b"").hexdigest()
    assert headers["x-acs-content-sha256"] == digest
    whole = f"{asked.method}\n{asked.path}\n{query}\n{lines}\n{';'.join(names)}\n{digest}"
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(whole.encode()).hexdigest()}"
    made = hmac.new(ALIYUN_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    if given["Signature"] != made or given["Credential"] != "LTAI-1":
        return 400, aliyun_answer("SignatureDoesNotMatch")
    assert headers["x-acs-action"] == "SendSms"
    assert headers["x-acs-version"] == "2017-05-25"
    values = parse_qs(query, strict_parsing=True)
    if values["TemplateCode"] != ["SMS_1"]:
        return 200, aliyun_answer("isv.SMS_TEMPLATE_ILLEGAL")
    assert set(json.loads(values["TemplateParam"][0])) == {"code"}
    return 200, aliyun_answer("OK") | {"BizId": "900619746936498440^0"}


def aliyun_answer(code):
    return {"Code": code, "Message": f"about {PHONE}", "RequestId": "F655A8D5-B967-440B-8683"}


def tencent(asked):
    kind, _, rest = asked.headers["authorization"].partition(" ")
    given = dict(part.split("=", 1) for part in rest.split(", "))
    names = given["SignedHeaders"].split(";")
    headers = asked.headers | {"host": asked.host}
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    body = hashlib.sha256(asked.body).hexdigest()
    whole = f"POST\n{asked.path}\n\n{lines}\n{';'.join(names)}\n{body}"
    now = headers["x-tc-timestamp"]
    _, day, service, end = given["Credential"].split("/")
    assert (kind, service, end) == ("TC3-HMAC-SHA256", "sms", "tc3_request")
    assert day == time.strftime("%Y-%m-%d", time.gmtime(int(now)))
    text = f"{kind}\n{now}\n{day}/sms/tc3_request\n{hashlib.sha256(whole.encode()).hexdigest()}"
    key = f"TC3{TENCENT_KEY}".encode()
    for part in (day, service, end):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if given["Signature"] != hmac.new(key, text.encode(), hashlib.sha256).hexdigest():
        return 200, tencent_error("AuthFailure.SignatureFailure")
    assert headers["x-tc-action"] == "SendSms"
    assert headers["x-tc-version"] == "2021-01-11"
    content = asked.json
    assert content["PhoneNumberSet"][0].startswith("+")
    return 200, tencent_answer("Ok", content["SessionContext"])


def tencent_answer(code, context=""):
    status = {"SerialNo": "5000:1045710669157053657849499619" if code == "Ok" else ""}
    status |= {"PhoneNumber": PHONE, "Fee": int(code == "Ok"), "SessionContext": context}
    status |= {"Code": code, "Message": f"about {PHONE}", "IsoCode": "US"}
    return {"Response": {"SendStatusSet": [status], "RequestId": "a0aabda6-cf91-4f3e"}}


def tencent_error(code):
    error = {"Code": code, "Message": f"about {PHONE}"}
    return {"Response": {"Error": error, "RequestId": "a0aabda6-cf91-4f3e"}}


def azure(asked):
    assert f"{asked.path}?{asked.query_string}" == "/sms?api-version=2021-03-07"
    date, digest = asked.headers["x-ms-date"], asked.headers["x-ms-content-sha256"]
    assert digest == base64.b64encode(hashlib.sha256(asked.body).digest()).decode()
    text = f"POST\n/sms?api-version=2021-03-07\n{date};{asked.host};{digest}"
    made = hmac.new(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256).digest()
    signed = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
    if asked.headers["authorization"] != signed + base64.b64encode(made).decode():
        return 401, {"error": {"code": "Unauthorized", "message": f"{PHONE}"}}
    body = asked.json
    (recipient,) = body["smsRecipients"]
    assert body["message"]
    return 202, azure_answer(202, to=recipient["to"])


def azure_answer(status, message="", to=PHONE):
    sent = status == 202
    one = {
        "to": to,
        "httpStatusCode": status,
        "successful": sent,
        "repeatabilityResult": "accepted",
    }
    one |= {"messageId": "Outgoing_20200610203725bfd4ba70-bc63"} if sent else {}
    return {"value": [one | ({"errorMessage": message} if message else {})]}
