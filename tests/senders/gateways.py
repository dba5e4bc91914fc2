"""The gateways of `docs/gateways.md`, each as its documentation has it.

`accept` and `refusals` are answers to a message, `asked` is what a message must be, `reports` what the
gateway sends for one that arrived and one that did not: method, query or body, and its type.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django_verify.senders import ACCOUNT, REQUEST

PHONE = "+14155552671"
DIGITS = PHONE[1:]
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass
class Gateway:
    """One gateway. A refusal is status, answer, the code to be read, and the fault; None: the
    recipient's."""

    sid: str
    accept: tuple
    asked: Callable
    refusals: tuple
    report: Callable
    arrived: object
    lost: object
    price: tuple = ("", "")
    headers: dict = field(default_factory=dict)
    answer: bytes = b""
    by: str = "token"


def as_json(data, secret=None):
    return "POST", json.dumps(data).encode(), JSON


def as_form(data):
    return "POST", urlencode(data).encode(), FORM


def as_query(data):
    return "GET", urlencode(data), ""


def infobip_status(name, group):
    return {"messages": [{"messageId": "250be4", "status": {"groupName": group, "name": name}}]}


def infobip_report(status):
    error = {"id": 0, "name": "NO_ERROR" if status == "DELIVERED" else "EC_ABSENT_SUBSCRIBER"}
    one = {"messageId": "250be4", "to": DIGITS, "status": {"groupName": status}, "error": error}
    return as_json({"results": [one]})


def msg91_report(status):
    report = [{"date": "2026-05-22 10:06:20", "number": DIGITS, "status": status, "desc": "X"}]
    outer = [{"senderId": "Acme", "requestId": "3763646c", "report": report, "userId": "27"}]
    return as_form({"data": json.dumps(outer)})


def clicksend_answer(status):
    one = {"message_id": "BF7AD270", "status": status, "message_price": "0.0770", "to": PHONE}
    data = {"messages": [one], "_currency": {"currency_name_short": "AUD"}}
    return {"http_code": 200, "response_code": "SUCCESS", "data": data}


def clickatell_answer(accepted, code=None):
    one = {"apiMessageId": "77fb29" if accepted else None, "accepted": accepted, "errorCode": code}
    return {"messages": [one | {"to": DIGITS, "error": None}], "errorCode": None, "error": None}


def termii_report(status):
    return as_json({"type": "outbound", "message_id": "9122821270554876574", "status": status})


def unifonic_answer(success, code, status=None):
    data = {"MessageID": 3200017889310, "Status": status, "Cost": 0.04, "CurrencyCode": "SAR"}
    return {"success": success, "errorCode": code, "data": data if status else None}


def kavenegar_answer(status, entry=None):
    entries = [{"messageid": 8792343, "status": entry, "cost": 120}] if entry else None
    return {"return": {"status": status, "message": "-"}, "entries": entries}


def body_of(path):
    """Look up a member of a JSON body, such as `messages.0.text`."""

    def look_up(asked):
        value = asked.json
        for step in path.split("."):
            value = value[int(step)] if step.isdecimal() else value[step]
        return value

    return look_up


GATEWAYS = {
    "Infobip": Gateway(
        "250be4",
        (200, infobip_status("PENDING_ACCEPTED", "PENDING")),
        lambda asked: (
            body_of("messages.0.destinations.0.to")(asked) == DIGITS
            and asked.authorization == "App test-INFOBIP_KEY-secret"
            and "/verify/r/" in body_of("messages.0.notifyUrl")(asked)
        ),
        (
            (200, infobip_status("REJECTED_SENDER", "REJECTED"), "REJECTED_SENDER", REQUEST),
            (
                200,
                infobip_status("REJECTED_NOT_ENOUGH_CREDITS", "REJECTED"),
                "REJECTED_NOT_ENOUGH_CREDITS",
                ACCOUNT,
            ),
            (
                200,
                infobip_status("REJECTED_DESTINATION", "REJECTED"),
                "REJECTED_DESTINATION",
                None,
            ),
            (
                401,
                {"requestError": {"serviceException": {"messageId": "UNAUTHORIZED"}}},
                "UNAUTHORIZED",
                ACCOUNT,
            ),
        ),
        infobip_report,
        "DELIVERED",
        "UNDELIVERABLE",
        by="url",
    ),
    "MSG91": Gateway(
        "3763646c",
        (200, {"message": "3763646c", "type": "success"}),
        lambda asked: (
            body_of("recipients.0.mobiles")(asked) == DIGITS
            and asked.json["template_id"] == "64a0c0ffee0000000000000a"
            and len(body_of("recipients.0.OTP")(asked)) == 6
            and asked.headers["authkey"] == "test-MSG91_KEY-secret"
        ),
        (
            (200, {"message": "template id missing", "type": "error"}, "refused", REQUEST),
            (401, {"status": "fail", "code": "401", "errors": ["x"]}, "401", ACCOUNT),
        ),
        msg91_report,
        "1",
        "2",
    ),
    "46elks": Gateway(
        "s70df59406a1b4643b96f3f91e0bfb7b0",
        (200, {"status": "created", "id": "s70df59406a1b4643b96f3f91e0bfb7b0", "cost": 3500}),
        lambda asked: (
            asked.form["to"] == PHONE
            and "/verify/r/" in asked.form["whendelivered"]
            and asked.authorization.startswith("Basic ")
        ),
        (
            (200, {"status": "failed", "id": "s7"}, "refused", REQUEST),
            (403, b"Not enough credits", "403", ACCOUNT),
            (400, b"Invalid sender", "400", REQUEST),
        ),
        lambda status: as_form({"id": "s70df59406a1b4643b96f3f91e0bfb7b0", "status": status}),
        "delivered",
        "failed",
        by="url",
    ),
    "GatewayAPI": Gateway(
        "421332671",
        (200, {"ids": [421332671], "usage": {"currency": "DKK", "total_cost": 0.12}}),
        lambda asked: (
            asked.json["recipients"] == [{"msisdn": int(DIGITS)}]
            and "/verify/r/" in asked.json["callback_url"]
        ),
        (
            (401, {"code": "0x0213", "message": "Unauthorized"}, "0x0213", ACCOUNT),
            (422, {"code": "0x0308", "message": f"{PHONE}"}, "0x0308", REQUEST),
        ),
        lambda status: as_json({"id": 421332671, "msisdn": int(DIGITS), "status": status}),
        "DELIVERED",
        "UNDELIVERABLE",
        price=("0.12", "DKK"),
        by="url",
    ),
    "SMSAPI": Gateway(
        "1460969715572091219",
        (200, {"count": 1, "list": [{"id": "1460969715572091219", "points": 0.16}]}),
        lambda asked: (
            asked.form["to"] == DIGITS
            and asked.form["format"] == "json"
            and "/verify/r/" in asked.form["notify_url"]
        ),
        (
            (200, {"error": 14, "message": "Invalid from field"}, "14", REQUEST),
            (200, {"error": 13, "message": "No valid number"}, "13", None),
            (200, {"error": 101, "message": "Authorization failed"}, "101", ACCOUNT),
        ),
        lambda status: as_query({"MsgId": "1460969715572091219,2", "status": f"{status},404"}),
        "404",
        "405",
        answer=b"OK",
        by="url",
    ),
    "ClickSend": Gateway(
        "BF7AD270",
        (200, clicksend_answer("SUCCESS")),
        lambda asked: body_of("messages.0.to")(asked) == PHONE,
        (
            (200, clicksend_answer("INVALID_SENDER_ID"), "INVALID_SENDER_ID", REQUEST),
            (200, clicksend_answer("INVALID_RECIPIENT"), "INVALID_RECIPIENT", None),
            (200, clicksend_answer("INSUFFICIENT_CREDIT"), "INSUFFICIENT_CREDIT", ACCOUNT),
            (401, {"http_code": 401, "response_code": "UNAUTHORIZED"}, "UNAUTHORIZED", ACCOUNT),
        ),
        lambda status: as_form(
            {"message_id": "BF7AD270", "status_code": status, "error_code": "", "to": PHONE}
        ),
        "201",
        "301",
        price=("0.0770", "AUD"),
    ),
    "BulkSMS": Gateway(
        "4023457654",
        (201, [{"id": "4023457654", "type": "SENT", "status": {"type": "ACCEPTED"}}]),
        lambda asked: asked.json["to"] == PHONE and asked.query == {"auto-unicode": "true"},
        (
            (
                201,
                [{"id": "4", "status": {"type": "FAILED", "subtype": "NOT_SENT"}}],
                "NOT_SENT",
                REQUEST,
            ),
            (403, {"type": "…#insufficient-credits", "status": 403}, "403", ACCOUNT),
        ),
        lambda status: as_json([{"id": "4023457654", "type": "SENT", "status": {"type": status}}]),
        "DELIVERED",
        "FAILED",
    ),
    "Clickatell": Gateway(
        "77fb29",
        (202, clickatell_answer(True)),
        lambda asked: asked.json["to"] == [DIGITS],
        (
            (202, clickatell_answer(False, 609), "609", REQUEST),
            (202, clickatell_answer(False), "refused", REQUEST),
            (401, {"errorCode": 108, "messages": []}, "108", ACCOUNT),
        ),
        lambda status: as_json({"messageId": "77fb29", "status": status, "statusCode": 4}),
        "RECEIVED_BY_RECIPIENT",
        "ERROR_DELIVERING",
    ),
    "Termii": Gateway(
        "9122821270554876574",
        (200, {"code": "ok", "message_id": "9122821270554876574", "message": "Sent"}),
        lambda asked: (
            asked.json["to"] == DIGITS and asked.json["api_key"] == "test-TERMII_KEY-secret"
        ),
        (
            (200, {"code": "error", "message": "Invalid sender"}, "error", REQUEST),
            (401, {"message": "Invalid API key"}, "401", ACCOUNT),
        ),
        termii_report,
        "Delivered",
        "DND Active on Phone Number",
        by="signature",
    ),
    "Unifonic": Gateway(
        "3200017889310",
        (200, unifonic_answer(True, "ER-00", "Queued")),
        lambda asked: (
            asked.form["Recipient"] == DIGITS and asked.form["CorrelationID"].startswith("VL")
        ),
        (
            (200, unifonic_answer(False, "ER-01"), "ER-01", REQUEST),
            (200, unifonic_answer(True, "ER-00", "Rejected"), "ER-00", REQUEST),
        ),
        lambda status: as_json({"MessageID": 3200017889310, "Status": status}),
        "Delivered",
        "Undelivered",
        price=("0.04", "SAR"),
    ),
    "Textlocal": Gateway(
        "1151346216",
        (200, {"status": "success", "messages": [{"id": "1151346216", "recipient": int(DIGITS)}]}),
        lambda asked: asked.form["numbers"] == DIGITS and "/verify/r/" in asked.form["receipt_url"],
        (
            (200, {"errors": [{"code": 43, "message": "x"}], "status": "failure"}, "43", REQUEST),
            (200, {"errors": [{"code": 51, "message": "x"}], "status": "failure"}, "51", None),
            (200, {"errors": [{"code": 3, "message": "x"}], "status": "failure"}, "3", ACCOUNT),
        ),
        lambda status: as_form({"number": DIGITS, "status": status, "customID": ""}),
        "D",
        "U",
        by="url",
    ),
    "Kavenegar": Gateway(
        "8792343",
        (200, kavenegar_answer(200, 1)),
        lambda asked: (
            asked.form["receptor"] == f"00{DIGITS}"
            and asked.path == "/v1/test-KAVENEGAR_KEY-secret/sms/send.json"
        ),
        (
            (200, kavenegar_answer(200, 14), "14", None),
            (200, kavenegar_answer(200, 6), "6", REQUEST),
            (411, kavenegar_answer(411), "411", None),
            (412, kavenegar_answer(412), "412", ACCOUNT),
            (418, kavenegar_answer(418), "418", ACCOUNT),
        ),
        lambda status: as_query({"messageid": "8792343", "status": status}),
        "10",
        "11",
        price=("120", ""),
    ),
}


def sign(body, secret):
    """Return the headers of a signed report: of Termii."""
    mac = hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()
    return {"X-Termii-Signature": mac}
