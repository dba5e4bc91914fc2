"""Requests that are signed: against the providers' documented examples and, where installed, SDKs."""

import base64
import datetime as dt
import hashlib
import json
import time
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
import time_machine

from django_verify.senders import Message, TemporarySendError, aliyun, azure, tencent
from django_verify.senders.base import UNSUITED
from tests.senders.apis import AZURE_KEY, PHONE

CODE, ATTEMPT = "904716", "VL" + "0" * 32
NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)


def message(to=PHONE, locale="en", **values):
    return Message("sms", to, f"Your code is: {CODE}", ATTEMPT, locale, code=CODE, **values)


# Alibaba Cloud, "Request syntax and signature method V3", the fixed example.
ALIYUN_HEADERS = {
    "host": "ecs.cn-shanghai.aliyuncs.com",
    "x-acs-action": "RunInstances",
    "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    "x-acs-date": "2023-10-26T10:22:32Z",
    "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
    "x-acs-version": "2014-05-26",
}
ALIYUN_QUERY = {
    "RegionId": "cn-shanghai",
    "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
}


def test_aliyun_signs_the_documented_example():
    key = "YourAccessKeyId", "YourAccessKeySecret"
    assert aliyun.authorization(key, "POST", ALIYUN_QUERY, ALIYUN_HEADERS) == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;"
        "x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_aliyun_signs_as_its_sdk_does():
    util = pytest.importorskip("alibabacloud_openapi_util.client")
    from Tea.request import TeaRequest

    sender = aliyun_sender(template_code="SMS_1", parameters={"code": "{code}", "x": "~a b*é/+"})
    request = sender.request(message())
    url = urlsplit(request.url)
    asked = TeaRequest()
    asked.method, asked.pathname = "POST", "/"
    asked.query = dict(parse_qsl(url.query))
    named = {name: value for name, value in request.headers.items() if name != "Authorization"}
    asked.headers = {**named, "host": url.netloc}
    theirs = util.Client.get_authorization(
        asked, "ACS3-HMAC-SHA256", request.headers["x-acs-content-sha256"], "id", "secret"
    )
    assert request.headers["Authorization"] == theirs


def aliyun_sender(**options):
    known = {"access_key_id": "id", "access_key_secret": "secret", "sign_name": "示例"}
    return aliyun.AliyunSender("it", **known | options)


@pytest.mark.parametrize(
    ("to", "expected"),
    [("+8613900000001", "13900000001"), ("+85260000001", "85260000001"), (PHONE, "14155552671")],
)
def test_aliyun_has_chinas_numbers_without_their_country(to, expected):
    request = aliyun_sender(template_code="SMS_1").request(message(to))
    query = dict(parse_qsl(urlsplit(request.url).query))
    assert query == {
        "PhoneNumbers": expected,
        "SignName": "示例",
        "TemplateCode": "SMS_1",
        "TemplateParam": json.dumps({"code": CODE}),
        "OutId": ATTEMPT,
    }
    assert (request.method, request.body, request.json) == ("POST", None, None)


# Tencent Cloud, "Signature method v3": digests of the two documented canonical requests; the secret
# of the example is not printed whole, so the last step is proved by the SDK.
TENCENT_BODY = (
    rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
)


@pytest.mark.parametrize(
    ("extra", "digest"),
    [
        ({}, "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031"),
        (
            {"x-tc-action": "DescribeInstances"},
            "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84",
        ),
    ],
    ids=["two headers", "three headers"],
)
def test_tencent_signs_the_documented_request(extra, digest, monkeypatch):
    signed = []
    real = tencent.hmac.digest

    def digest_of(key, text, method):
        signed.append(text)
        return real(key, text, method)

    monkeypatch.setattr(tencent.hmac, "digest", digest_of)
    found = tencent.authorization(
        ("id", "key"),
        "cvm.tencentcloudapi.com",
        "application/json; charset=utf-8",
        TENCENT_BODY,
        1551113065,
        extra,
        "cvm",
    )
    assert signed[-1].decode() == (
        f"TC3-HMAC-SHA256\n1551113065\n2019-02-25/cvm/tc3_request\n{digest}"
    )
    assert found.startswith("TC3-HMAC-SHA256 Credential=id/2019-02-25/cvm/tc3_request, Signed")


def tencent_sender(**options):
    known = {"secret_id": "id", "secret_key": "secret", "sdk_app_id": "14", "template_id": "1"}
    return tencent.TencentSender("it", **known | options)


def test_tencent_signs_as_its_sdk_does():
    sign = pytest.importorskip("tencentcloud.common.sign")
    client = pytest.importorskip("tencentcloud.common.abstract_client")
    http = pytest.importorskip("tencentcloud.common.http.request")
    with time_machine.travel(NOW, tick=False):
        request = tencent_sender().request(message())
    asked = http.RequestInternal("sms.tencentcloudapi.com", "POST", "/", {}, request.body.decode())
    asked.header["Content-Type"] = request.headers["Content-Type"]
    asked.header["Host"] = "sms.tencentcloudapi.com"
    asked.header["X-TC-Timestamp"] = request.headers["X-TC-Timestamp"]
    theirs = client.AbstractClient._get_tc3_signature(
        None, {}, asked, "2026-03-01", "sms", "secret"
    )
    assert sign
    assert request.headers["Authorization"] == (
        "TC3-HMAC-SHA256 Credential=id/2026-03-01/sms/tc3_request, SignedHeaders=content-type;host,"
        f" Signature={theirs}"
    )


def test_tencent_is_asked_what_it_documents():
    sender = tencent_sender(
        sign_name="示例", sender_id="ACME", parameters=["{code}", "10"], region="ap-singapore"
    )
    request = sender.request(message())
    assert json.loads(request.body) == {
        "PhoneNumberSet": [PHONE],
        "SmsSdkAppId": "14",
        "SignName": "示例",
        "SenderId": "ACME",
        "TemplateId": "1",
        "TemplateParamSet": [CODE, "10"],
        "SessionContext": ATTEMPT,
    }
    assert request.headers["X-TC-Region"] == "ap-singapore"
    assert abs(int(request.headers["X-TC-Timestamp"]) - time.time()) < 5


def azure_sender(**options):
    known = {"endpoint": "https://acme.communication.azure.com", "access_key": AZURE_KEY}
    return azure.AzureSender("it", **known | {"sender": "+18335550100"} | options)


def test_azure_signs_as_its_sdk_does(monkeypatch):
    policy = pytest.importorskip("azure.communication.sms._shared.policy")
    from azure.core.pipeline import PipelineContext, PipelineRequest
    from azure.core.rest import HttpRequest

    with time_machine.travel(NOW, tick=False):
        request = azure_sender().request(message())
    monkeypatch.setattr(policy, "get_current_utc_time", lambda: request.headers["x-ms-date"])
    asked = HttpRequest("POST", request.url)
    theirs = PipelineRequest(asked, PipelineContext(None))
    asked.body = request.body.decode()
    sdk = policy.HMACCredentialsPolicy("https://acme.communication.azure.com", AZURE_KEY)
    sdk.on_request(theirs)
    for name in ("x-ms-date", "x-ms-content-sha256", "Authorization"):
        assert request.headers[name] == asked.headers[name]


def test_azures_date_is_that_of_http():
    with time_machine.travel(NOW, tick=False):
        headers = azure_sender().request(message()).headers
    assert headers["x-ms-date"] == format_datetime(NOW, usegmt=True)
    assert headers["x-ms-date"] == "Sun, 01 Mar 2026 12:00:00 GMT"


@pytest.mark.parametrize("token", ["", "a-token"])
def test_azure_is_asked_what_it_documents(token):
    request = azure_sender(callback_token=token).request(message())
    assert request.url == "https://acme.communication.azure.com/sms?api-version=2021-03-07"
    assert json.loads(request.body) == {
        "from": "+18335550100",
        "smsRecipients": [{"to": PHONE}],
        "message": f"Your code is: {CODE}",
        "smsSendOptions": {"enableDeliveryReport": bool(token), "tag": ATTEMPT},
    }


@pytest.mark.parametrize("key", ["", "not base64!", "AAAA=", base64.b64encode(b"").decode()])
def test_a_key_of_azure_that_is_none_is_not_shown(key):
    with pytest.raises(ValueError, match="access_key is base64") as caught:
        azure_sender(access_key=key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("build", [aliyun_sender, tencent_sender], ids=["aliyun", "tencent"])
def test_a_template_for_each_language(build):
    name = {aliyun_sender: "template_code", tencent_sender: "template_id"}[build]
    sender = build(**{name: {"zh": "9", "pt-BR": "7"}})
    for locale, expected in {"zh": "9", "zh-HK": "9", "pt-BR": "7"}.items():
        request = sender.request(message(locale=locale))
        assert f'"TemplateId": "{expected}"'.encode() in (request.body or b"") or (
            f"TemplateCode={expected}&" in request.url
        )
    for locale in ("en", "pt"):
        with pytest.raises(TemporarySendError) as caught:
            sender.request(message(locale=locale))
        assert caught.value.fault == UNSUITED
    with pytest.raises(ValueError, match=name):
        build(**{name: {}})


def test_parameters_of_tencent_are_a_list():
    with pytest.raises(TypeError, match="parameters is a list"):
        tencent_sender(parameters="{code}")
