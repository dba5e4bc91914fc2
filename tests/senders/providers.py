"""The providers in tables: options, receipts and refusals, and how each signs what it reports.

The `sign` functions are the providers' side of a callback; they share no code with the senders.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlencode

from cryptography.hazmat.primitives.asymmetric import ed25519

from django_verify.senders import Callback, SendError, TemporarySendError
from tests.senders.apis import (
    ALIYUN_KEY,
    AZURE_KEY,
    CALLBACK,
    ED25519,
    ED25519_PUBLIC,
    PHONE,
    SECRET,
    TELEGRAM_TOKEN,
    TENCENT_KEY,
    africastalking,
    africastalking_answer,
    aliyun,
    aliyun_answer,
    azure,
    azure_answer,
    bird,
    compact,
    hmac64,
    jwt,
    messagebird,
    messagebird_answer,
    messagebird_error,
    plivo,
    rsa_pem,
    sha256,
    sinch,
    telegram,
    telnyx,
    telnyx_error,
    tencent,
    tencent_answer,
    tencent_error,
    vonage,
    vonage_error,
)

FORM = "application/x-www-form-urlencoded"


def sign_vonage(data, now, method="sha256", secret=SECRET, url=CALLBACK):
    values = {**data, "timestamp": str(int(now)), "nonce": "n-1"}
    plain = {name: value.replace("&", "_").replace("=", "_") for name, value in values.items()}
    text = "".join(f"&{name}={plain[name]}" for name in sorted(plain)).encode()
    values["sig"] = hmac.new(secret.encode(), text, method).hexdigest().upper()
    return Callback(url, headers={"content-type": "application/json"}, body=compact(values))


def sign_vonage_call(data, now, secret=SECRET, url=CALLBACK):
    body = compact(data)
    claims = {"iat": int(now), "jti": "j", "iss": "Vonage", "payload_hash": sha256(body)}
    headers = {"authorization": f"Bearer {jwt(claims, secret)}"}
    return Callback(url, headers=headers | {"content-type": "application/json"}, body=body)


def sign_messagebird(data, now, secret=SECRET, url=CALLBACK):
    url += f"{'&' if '?' in url else '?'}{urlencode(data)}"
    claims = {"iss": "MessageBird", "nbf": int(now), "exp": int(now) + 60, "jti": "j"}
    token = jwt(claims | {"url_hash": sha256(url)}, secret)
    return Callback(url, "GET", headers={"messagebird-signature-jwt": token})


def sign_bird(data, now, secret=SECRET, url=CALLBACK):
    body, at = compact(data), str(int(now))
    text = f"{at}\n{url}\n".encode() + hashlib.sha256(body).digest()
    headers = {"messagebird-signature": hmac64(secret, text), "messagebird-request-timestamp": at}
    return Callback(url, headers=headers, body=body)


def sign_plivo(data, now, secret=SECRET, url=CALLBACK):
    posted = "".join(f"{name}{data[name]}" for name in sorted(data))
    nonce = "05429567804466091622"
    path, _, query = unquote(url).partition("?")
    text = f"{path}?{query}{'.' if query else ''}{posted}.{nonce}"
    headers = {
        "x-plivo-signature-v3": hmac64(secret, text.encode()),
        "x-plivo-signature-v3-nonce": nonce,
        "content-type": FORM,
    }
    return Callback(url, headers=headers, body=urlencode(data).encode())


def sign_plivo_v2(data, now, secret=SECRET, url=CALLBACK):
    nonce = "12345678901234567890"
    headers = {
        "x-plivo-signature-v2": hmac64(secret, (url.partition("?")[0] + nonce).encode()),
        "x-plivo-signature-v2-nonce": nonce,
        "content-type": FORM,
    }
    return Callback(url, headers=headers, body=urlencode(data).encode())


def sign_sinch(data, now, secret=SECRET, url=CALLBACK):
    body, at = compact(data), str(int(now))
    head = "x-sinch-webhook-signature"
    text = body + f".nonce-1.{at}".encode()
    headers = {head: hmac64(secret, text), f"{head}-nonce": "nonce-1", f"{head}-timestamp": at}
    return Callback(url, headers=headers, body=body)


def sign_telnyx(data, now, secret=None, url=CALLBACK):
    body, at = compact(data), str(int(now))
    key = ED25519 if secret is None else ed25519.Ed25519PrivateKey.generate()
    signature = base64.b64encode(key.sign(f"{at}|".encode() + body)).decode()
    headers = {"telnyx-signature-ed25519": signature, "telnyx-timestamp": at}
    return Callback(url, headers=headers, body=body)


def sign_africastalking(data, now, secret=SECRET, url=CALLBACK):
    url += f"{'&' if '?' in url else '?'}token={secret}"
    return Callback(url, headers={"content-type": FORM}, body=urlencode(data).encode())


def sign_telegram(data, now, secret=TELEGRAM_TOKEN, url=CALLBACK):
    body, at = compact(data), str(int(now))
    key = hashlib.sha256(secret.encode()).digest()
    signature = hmac.new(key, f"{at}\n".encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-request-timestamp": at, "x-request-signature": signature}
    return Callback(url, headers=headers, body=body)


def with_token(url, secret):
    return f"{url}{'&' if '?' in url else '?'}token={secret}"


def sign_list(data, now, secret=SECRET, url=CALLBACK):
    return Callback(with_token(url, secret), body=compact([data]))


def sign_events(data, now, secret=SECRET, url=CALLBACK):
    kind = "Microsoft.Communication.SMSDeliveryReportReceived"
    event = {"id": "1", "eventType": kind, "data": data, "dataVersion": "1.0"}
    return Callback(with_token(url, secret), body=compact([event]))


ALIYUN_OTHERS = (
    *("isv.SMS_SIGNATURE_ILLEGAL", "isv.SMS_TEMPLATE_ILLEGAL", "isv.AMOUNT_NOT_ENOUGH"),
    *("isv.BUSINESS_LIMIT_CONTROL", "isp.SYSTEM_ERROR", "isv.TEMPLATE_MISSING_PARAMETERS"),
    *("SignatureDoesNotMatch", "Throttling.User", "isv.A_CODE_OF_TOMORROW"),
)
TENCENT_GONE = (
    *("FailedOperation.PhoneNumberInBlacklist", "InvalidParameterValue.IncorrectPhoneNumber"),
)
TENCENT_OTHERS = (
    *("AuthFailure.SignatureFailure", "FailedOperation.InsufficientBalanceInSmsPackage"),
    *("LimitExceeded.PhoneNumberDailyLimit", "FailedOperation.ContainSensitiveWord"),
    *("InternalError.Timeout", "InvalidParameterValue.ACodeOfTomorrow"),
)


@dataclass
class Told:
    """What a provider reports of a message, and what is to be read in it."""

    sign: Callable
    data: dict
    report: tuple
    #: Whether the provider says when it signed, so that an old callback is known as one.
    dated: bool = True
    #: Whether its signature is of the body as well.
    whole: bool = True


@dataclass
class Provider:
    """One provider: the options of its sender, its fake, how it refuses, what it reports."""

    api: Callable
    host: str
    options: dict
    receipts: dict
    refusals: tuple
    received: tuple = ()
    #: The options without which it takes no reports, emptied.
    silent: dict = field(default_factory=dict)


GONE, LATER = SendError, TemporarySendError
BLOCKED = {
    403: (GONE, "InvalidPhoneNumber"),
    404: (GONE, "UnsupportedNumberType"),
    406: (GONE, "UserInBlacklist"),
    409: (GONE, "DoNotDisturbRejection"),
    401: (LATER, "RiskHold"),
    402: (LATER, "InvalidSenderId"),
    405: (LATER, "InsufficientBalance"),
    407: (LATER, "CouldNotRoute"),
    500: (LATER, "InternalServerError"),
    501: (LATER, "GatewayError"),
    502: (LATER, "RejectedByGateway"),
}
PROVIDERS = {
    "vonage": Provider(
        vonage,
        "rest.nexmo.com api.nexmo.com",
        {
            "api_key": "key",
            "api_secret": "api-s3cret",
            "sender": "Acme",
            "application_id": "app-1",
            "private_key": rsa_pem(),
            "call_from": "+442079460000",
            "signature_secret": SECRET,
        },
        {
            "sms": ("0A0000000123ABCD1", "0.03330000", ""),
            "call": ("63f61863-4a51-4f6b-86e1-46edebcf9356", "", ""),
        },
        (
            *((200, vonage_error(one), GONE, one) for one in ("7", "33")),
            *(
                (200, vonage_error(one), LATER, one)
                for one in "1 2 3 4 5 6 8 9 10 11 12 14 15 22 23 29 32 99".split()
            ),
        ),
        (
            Told(
                sign_vonage,
                {"messageId": "0A", "status": "delivered", "err-code": "0", "price": "0.0333"},
                ("0A", "delivered", "", "0.0333", ""),
            ),
            Told(
                sign_vonage,
                {"messageId": "0A", "status": "rejected", "err-code": "6", "to": "A&B=C"},
                ("0A", "undelivered", "6", "", ""),
            ),
            Told(
                sign_vonage_call,
                {"uuid": "63f6", "status": "completed", "price": "0.02"},
                ("63f6", "delivered", "", "0.02", ""),
            ),
            Told(
                sign_vonage_call, {"uuid": "6", "status": "busy"}, ("6", "undelivered", "", "", "")
            ),
        ),
        {"signature_secret": ""},
    ),
    "messagebird": Provider(
        messagebird,
        "rest.messagebird.com",
        {"access_key": "key-1", "sender": "Acme", "call_from": "31612345678"}
        | {"signing_key": SECRET},
        {"sms": ("e8077d803532c0b5937c639b60216938", "", "")}
        | {"call": ("e8077d803532c0b5937c639b60216938", "", "")},
        (
            (422, messagebird_error(9), GONE, "9"),
            (422, messagebird_error(10), GONE, "10"),
            (422, messagebird_error(9, "recipient"), GONE, "9"),
            *(
                (422, messagebird_error(code, parameter), LATER, str(code))
                for code in (9, 10)
                for parameter in ("originator", "body", "reportUrl", None)
            ),
            (400, messagebird_error(21), LATER, "21"),
            (201, messagebird_answer(0, "delivery_failed"), LATER, "not_sent"),
            (422, messagebird_error(25), LATER, "25"),
            (402, messagebird_error(25), LATER, "25"),
            (401, messagebird_error(2), LATER, "2"),
            (404, messagebird_error(20), LATER, "20"),
        ),
        (
            Told(
                sign_messagebird,
                {"id": "e8", "status": "delivered", "statusErrorCode": "0", "recipient": "1415"}
                | {"price[amount]": "0.04", "price[currency]": "EUR"},
                ("e8", "delivered", "", "0.04", "EUR"),
            ),
            Told(
                sign_messagebird,
                {"id": "e8", "status": "delivery_failed", "statusErrorCode": "27"},
                ("e8", "undelivered", "27", "", ""),
            ),
        ),
        {"signing_key": ""},
    ),
    "bird": Provider(
        bird,
        "api.bird.com",
        {"access_key": "key-1", "workspace_id": "w-1", "channel_id": "c-1", "signing_key": SECRET},
        {"sms": ("b3f42dc4-1bf8-4b6b-9a3b-111111111111", "", "")},
        (
            (422, {"code": "InvalidPayload", "message": PHONE}, LATER, "InvalidPayload"),
            (402, {"code": "InsufficientBalance", "message": ""}, LATER, "InsufficientBalance"),
            *((202, {"id": "b3", "status": one}, LATER, one) for one in ("rejected", "skipped")),
        ),
        (
            Told(
                sign_bird,
                {"service": "channels", "event": "sms.outbound"}
                | {"payload": {"id": "b3", "status": "delivery_failed"}},
                ("b3", "undelivered", "", "", ""),
            ),
        ),
        {"signing_key": ""},
    ),
    "plivo": Provider(
        plivo,
        "api.plivo.com",
        {"auth_id": "MA1", "auth_token": SECRET, "sender": "+14150000000"},
        {"sms": ("db3ce55a-7f1d-11e1-8ea7-1231380bc196", "", "")},
        (
            (400, {"error": f"{PHONE} is not valid"}, LATER, "400"),
            (402, {"error": "no money"}, LATER, "402"),
            (202, {"message_uuid": [], "invalid_number": [PHONE[1:]]}, GONE, "invalid_number"),
            (404, {"error": "not found"}, LATER, "404"),
        ),
        (
            Told(
                sign_plivo,
                {"MessageUUID": "db", "ParentMessageUUID": "db", "Status": "delivered"}
                | {"ErrorCode": "000", "TotalAmount": "0.0035", "To": "14155552671"},
                ("db", "delivered", "", "0.0035", "USD"),
                dated=False,
            ),
            Told(
                sign_plivo,
                {"MessageUUID": "dc", "Status": "undelivered", "ErrorCode": "50"},
                ("dc", "undelivered", "50", "", ""),
                dated=False,
            ),
            Told(
                sign_plivo,
                {"MessageUUID": "dc", "Status": "rejected", "ErrorCode": "410"},
                ("dc", "undelivered", "410", "", ""),
                dated=False,
            ),
        ),
    ),
    "sinch": Provider(
        sinch,
        "us.sms.api.sinch.com calling.api.sinch.com",
        {
            "service_plan_id": "plan-1",
            "api_token": "token-1",
            "sender": "+14150000000",
            "voice_key": "vkey",
            "voice_secret": "v-s3cret",
            "webhook_secret": SECRET,
        },
        {
            "sms": ("01FC66621XXXXX119Z8PMV1QPQ", "", ""),
            "call": ("1398599d-40af-4b75-95c9-dc01ff24e8b6", "", ""),
        },
        (
            (400, {"code": "syntax_constraint_violation"}, LATER, "syntax_constraint_violation"),
            (403, {"code": "forbidden_request"}, LATER, "forbidden_request"),
            (400, {"errorCode": 40001, "message": PHONE}, LATER, "40001"),
            (402, {"errorCode": 40200, "message": "no funds"}, LATER, "40200"),
        ),
        (
            Told(
                sign_sinch,
                {"type": "recipient_delivery_report_sms", "batch_id": "01", "code": 0}
                | {"status": "Delivered", "recipient": "14155552671"},
                ("01", "delivered", "", "", ""),
            ),
            Told(
                sign_sinch,
                {"type": "recipient_delivery_report_sms", "batch_id": "01", "code": 404}
                | {"status": "REJECTED"},
                ("01", "undelivered", "404", "", ""),
            ),
        ),
        {"webhook_secret": ""},
    ),
    "telnyx": Provider(
        telnyx,
        "api.telnyx.com",
        {"api_key": "KEY1", "sender": "+14150000000", "public_key": ED25519_PUBLIC},
        {"sms": ("40385f64-5717-4562-b3fc-2c963f66afa6", "0.0051", "USD")},
        (
            *((400, telnyx_error(one), GONE, one) for one in "40001 40012 40300 40310".split()),
            (403, telnyx_error("40300"), GONE, "40300"),
            (200, {"data": {"id": "4", "to": [{"status": "sending_failed"}]}}, LATER, "failed"),
            (
                200,
                {
                    "data": {"id": "4", "to": [{"status": "delivery_failed"}]}
                    | telnyx_error("40001")
                },
                GONE,
                "40001",
            ),
            (403, telnyx_error("20100"), LATER, "20100"),
            *((400, telnyx_error(one, "/to"), GONE, one) for one in ("10002", "10016")),
            *((400, telnyx_error(one, "/from"), LATER, one) for one in ("10002", "10016")),
            *(
                (400, telnyx_error(one), LATER, one)
                for one in "10002 10015 40305 40309 40318 40322".split()
            ),
        ),
        (
            Told(
                sign_telnyx,
                {
                    "data": {
                        "event_type": "message.finalized",
                        "payload": {
                            "id": "40",
                            "to": [{"phone_number": PHONE, "status": "delivery_failed"}],
                            "errors": [{"code": "40008"}],
                            "cost": {"amount": "0.0051", "currency": "USD"},
                        },
                    }
                },
                ("40", "undelivered", "40008", "0.0051", "USD"),
            ),
        ),
        {"public_key": ""},
    ),
    "africastalking": Provider(
        africastalking,
        "api.africastalking.com",
        {"username": "acme", "api_key": "key-1", "sender": "ACME", "callback_token": SECRET},
        {"sms": ("ATPid_SampleTxnId123", "0.8000", "KES")},
        (
            *(
                (201, africastalking_answer(number, "x"), error, name)
                for number, (error, name) in BLOCKED.items()
            ),
            (
                201,
                {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}},
                LATER,
                "InvalidSenderId",
            ),
            (400, b"Must have a value", LATER, "400"),
        ),
        (
            Told(
                sign_africastalking,
                {"id": "AT1", "status": "Success", "phoneNumber": PHONE},
                ("AT1", "delivered", "", "", ""),
                dated=False,
                whole=False,
            ),
            Told(
                sign_africastalking,
                {"id": "AT1", "status": "Failed", "failureReason": "UserIsInactive"},
                ("AT1", "undelivered", "UserIsInactive", "", ""),
                dated=False,
                whole=False,
            ),
            *(
                Told(
                    sign_africastalking,
                    {"id": "AT1", "status": status},
                    ("AT1", "undelivered", "", "", ""),
                    dated=False,
                    whole=False,
                )
                for status in ("Rejected", "AbsentSubscriber", "Expired")
            ),
        ),
        {"callback_token": ""},
    ),
}
PROVIDERS |= {
    "telegram": Provider(
        telegram,
        "gatewayapi.telegram.org",
        {"access_token": TELEGRAM_TOKEN, "sender_username": "@acme", "ttl": 60},
        {"telegram": ("1095104830453", "0.01", "USD")},
        (
            *(
                (status, {"ok": False, "error": code}, GONE, code)
                for status in (200, 400)
                for code in ("PHONE_NUMBER_INVALID", "PHONE_NUMBER_NOT_FOUND")
            ),
            *(
                (200, {"ok": False, "error": code}, LATER, code)
                for code in "ACCESS_TOKEN_INVALID BALANCE_NOT_ENOUGH SENDER_USERNAME_INVALID".split()
            ),
            (200, {"ok": False, "error": "FLOOD_WAIT_12"}, LATER, "FLOOD_WAIT"),
            (200, {"ok": False, "error": "A_NAME_OF_TOMORROW"}, LATER, "A_NAME_OF_TOMORROW"),
        ),
        (
            Told(
                sign_telegram,
                {"request_id": "10", "phone_number": PHONE, "request_cost": 0.01}
                | {"delivery_status": {"status": "delivered", "updated_at": 1772366400}},
                ("10", "delivered", "", "", ""),
            ),
            Told(
                sign_telegram,
                {"request_id": "10", "is_refunded": True, "delivery_status": {"status": "expired"}},
                ("10", "undelivered", "", "", ""),
            ),
        ),
    ),
    "aliyun": Provider(
        aliyun,
        "dysmsapi.aliyuncs.com",
        {
            "access_key_id": "LTAI-1",
            "access_key_secret": ALIYUN_KEY,
            "sign_name": "示例科技",
            "template_code": "SMS_1",
            "callback_token": SECRET,
        },
        {"sms": ("900619746936498440^0", "", "")},
        (
            (200, aliyun_answer("isv.MOBILE_NUMBER_ILLEGAL"), GONE, "isv.MOBILE_NUMBER_ILLEGAL"),
            *(
                (status, aliyun_answer(code), LATER, code)
                for status in (200, 400)
                for code in ALIYUN_OTHERS
            ),
        ),
        (
            Told(
                sign_list,
                {"phone_number": "13900000001", "success": True, "err_code": "DELIVERED"}
                | {"biz_id": "90^0", "out_id": "VL1", "sms_size": "1"},
                ("90^0", "delivered", "", "", ""),
                dated=False,
                whole=False,
            ),
            Told(
                sign_list,
                {"success": "false", "err_code": "MK:0001", "biz_id": "90^0"},
                ("90^0", "undelivered", "", "", ""),
                dated=False,
                whole=False,
            ),
        ),
        {"callback_token": ""},
    ),
    "tencent": Provider(
        tencent,
        "sms.tencentcloudapi.com",
        {
            "secret_id": "AKID-1",
            "secret_key": TENCENT_KEY,
            "sdk_app_id": "1400006666",
            "template_id": "449739",
            "sign_name": "示例科技",
            "callback_token": SECRET,
        },
        {"sms": ("5000:1045710669157053657849499619", "", "")},
        (
            *((200, tencent_answer(code), GONE, code) for code in TENCENT_GONE),
            *((200, tencent_answer(code), LATER, code) for code in TENCENT_OTHERS),
            *((200, tencent_error(code), LATER, code) for code in TENCENT_OTHERS),
        ),
        (
            Told(
                sign_list,
                {"nationcode": "86", "mobile": "13900000001", "report_status": "SUCCESS"}
                | {"errmsg": "DELIVRD", "description": "ok", "sid": "5000:10"},
                ("5000:10", "delivered", "", "", ""),
                dated=False,
                whole=False,
            ),
            Told(
                sign_list,
                {"report_status": "FAIL", "errmsg": "UNDELIV", "sid": "5000:10"},
                ("5000:10", "undelivered", "UNDELIV", "", ""),
                dated=False,
                whole=False,
            ),
        ),
        {"callback_token": ""},
    ),
    "azure": Provider(
        azure,
        "acme.communication.azure.com",
        {
            "endpoint": "https://acme.communication.azure.com/",
            "access_key": AZURE_KEY,
            "sender": "+18335550100",
            "callback_token": SECRET,
        },
        {"sms": ("Outgoing_20200610203725bfd4ba70-bc63", "", "")},
        (
            (202, azure_answer(400, "Invalid To phone number format."), GONE, "400"),
            (202, azure_answer(400, "Invalid From phone number format."), LATER, "400"),
            (202, azure_answer(400), LATER, "400"),
            (202, azure_answer(404, "Phone number not owned."), LATER, "404"),
            (202, azure_answer(429), LATER, "429"),
            (401, {"error": {"code": "Unauthorized"}}, LATER, "Unauthorized"),
            (400, {"error": {"code": "BadRequest", "message": PHONE}}, LATER, "BadRequest"),
        ),
        (
            Told(
                sign_events,
                {"MessageId": "Outgoing_1", "From": "+18335550100", "To": PHONE}
                | {"DeliveryStatus": "Delivered", "DeliveryStatusDetails": "No error."},
                ("Outgoing_1", "delivered", "", "", ""),
                dated=False,
                whole=False,
            ),
            Told(
                sign_events,
                {"messageId": "Outgoing_1", "deliveryStatus": "Failed"}
                | {"deliveryStatusDetails": "4006 The recipient has opted out"},
                ("Outgoing_1", "undelivered", "4006", "", ""),
                dated=False,
                whole=False,
            ),
        ),
        {"callback_token": ""},
    ),
}
HOSTS = {host: provider for provider in PROVIDERS.values() for host in provider.host.split()}
