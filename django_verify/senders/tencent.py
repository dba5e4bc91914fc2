"""Sends text by templates of Tencent Cloud's SMS, with requests that `TC3-HMAC-SHA256` signs."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from django_verify.senders import rest, signatures, templates
from django_verify.senders.base import ACCOUNT, Callback, Message, Receipt, Report
from django_verify.senders.causes import by_code

ALGORITHM = "TC3-HMAC-SHA256"
_SERVICE, _VERSION = "sms", "2021-01-11"
_FIRST = "Response", "SendStatusSet", 0


class TencentSender(rest.RestSender):
    """A text of `template_id`, one or one for each locale, by the application `sdk_app_id`.

    `sign_name` is the signature, without which China's mainland gets no text; `sender_id` is for
    other countries. `parameters` are the template's values in order; `{code}` stands for the code.
    Reports are not signed: they go to the address in the console, and are believed if its query has
    `token=` and `callback_token`.
    """

    channels = frozenset({"sms"})
    reports_to_console = True
    # Not a number, and on the list of those who want no texts.
    permanent = frozenset(
        {"FailedOperation.PhoneNumberInBlacklist", "InvalidParameterValue.IncorrectPhoneNumber"}
    )
    account = frozenset(
        {"FailedOperation.InsufficientBalanceInSmsPackage", "UnauthorizedOperation"}
        | {"FailedOperation.TemplateUnapprovedOrNotExist", "FailedOperation.MissingSignature"}
        | {"FailedOperation.SignatureIncorrectOrUnapproved", "FailedOperation.OtherError"}
    )
    statuses = {"SUCCESS": "delivered", "FAIL": "undelivered"}
    causes = by_code(
        credentials=(
            "AuthFailure.SecretIdNotFound AuthFailure.SignatureFailure "
            "AuthFailure.SignatureExpire AuthFailure.InvalidSecretId "
            "AuthFailure.InvalidAuthorization AuthFailure.TokenFailure"
        ),
        balance="FailedOperation.InsufficientBalanceInSmsPackage",
        account=(
            "UnauthorizedOperation UnauthorizedOperation.SmsSdkAppIdVerifyFail "
            "UnauthorizedOperation.RequestIpNotInWhitelist "
            "UnauthorizedOperation.ServiceSuspendDueToArrears "
            "AuthFailure.UnauthorizedOperation IpInBlacklist IpNotInWhitelist"
        ),
        country=(
            "UnsupportedOperation.ChineseMainlandTemplateToGlobalPhone "
            "UnsupportedOperation.GlobalTemplateToChineseMainlandPhone"
        ),
        registration=(
            "FailedOperation.TemplateUnapprovedOrNotExist FailedOperation.MissingSignature "
            "FailedOperation.SignatureIncorrectOrUnapproved "
            "FailedOperation.TemplateIncorrectOrUnapproved "
            "FailedOperation.TemplateParamSetNotMatchApprovedTemplate "
            "InvalidParameterValue.TemplateParameterFormatError "
            "InvalidParameterValue.TemplateParameterLengthLimit"
        ),
        configuration=(
            "MissingParameter InvalidParameter InvalidParameterValue.SdkAppIdNotExist "
            "FailedOperation.OtherError"
        ),
        invalid_number="InvalidParameterValue.IncorrectPhoneNumber",
        opted_out="FailedOperation.PhoneNumberInBlacklist",
        spam="FailedOperation.ContainSensitiveWord LimitExceeded.DeliveryFrequencyLimit",
        rate_limited=(
            "RequestLimitExceeded LimitExceeded LimitExceeded.AppMainlandChinaDailyLimit "
            "LimitExceeded.AppGlobalDailyLimit LimitExceeded.PhoneNumberDailyLimit "
            "LimitExceeded.PhoneNumberOneHourLimit LimitExceeded.PhoneNumberThirtySecondLimit "
            "LimitExceeded.PhoneNumberSameContentDailyLimit"
        ),
        provider_down="InternalError InternalError.OtherError InternalError.Timeout",
    )
    report_causes = by_code(
        unreachable="UNDELIV EXPIRED",
        spam="REJECTD",
    )
    error_list = "https://cloud.tencent.com/document/product/382/55981"

    def __init__(
        self,
        alias: str,
        *,
        secret_id: str,
        secret_key: str,
        sdk_app_id: str,
        template_id: templates.Ids,
        sign_name: str = "",
        sender_id: str = "",
        parameters: Sequence[str] = (templates.CODE,),
        region: str = "ap-guangzhou",
        callback_token: str = "",
        base_url: str = "https://sms.tencentcloudapi.com",
    ) -> None:
        super().__init__(alias)
        if isinstance(parameters, str):
            raise TypeError("parameters is a list")
        if not template_id:
            raise ValueError("template_id is empty")
        self.key, self.template_id = (secret_id, secret_key), template_id
        self.fixed = {"SmsSdkAppId": sdk_app_id} | rest.fields(
            SignName=sign_name, SenderId=sender_id
        )
        self.parameters, self.region = tuple(parameters), region
        self.url, self.callback_token = base_url, callback_token
        self.reporting = bool(callback_token)

    def request(self, message: Message) -> rest.Request:
        """Ask for a text."""
        content = self.fixed | {
            "PhoneNumberSet": [message.to],
            "TemplateId": templates.pick(self.template_id, message.locale),
            "TemplateParamSet": [templates.filled(text, message) for text in self.parameters],
            "SessionContext": message.attempt_sid,
        }
        body = json.dumps(content).encode()
        headers = {"Content-Type": "application/json"}
        host, now = urlsplit(self.url).netloc, int(time.time())
        headers |= {
            "Authorization": authorization(self.key, host, headers["Content-Type"], body, now),
            "X-TC-Action": "SendSms",
            "X-TC-Region": self.region,
            "X-TC-Timestamp": str(now),
            "X-TC-Version": _VERSION,
        }
        return rest.Request(f"{self.url}/", body=body, headers=headers)

    def receipt(self, data: object) -> Receipt:
        """Read the id."""
        return Receipt(rest.pick(data, *_FIRST, "SerialNo"))

    def error(self, data: object) -> str:
        """Read the request's error, or the one recipient's."""
        code = rest.pick(data, "Response", "Error", "Code") or rest.pick(data, *_FIRST, "Code")
        return "" if code == "Ok" else code

    def is_signed(self, callback: Callback) -> bool:
        """Look for the token in the query, once."""
        return signatures.has_token(callback.url, self.callback_token)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read the reports of some messages, which come together."""
        for entry in rest.parsed_list(callback.body):
            status = rest.pick(entry, "report_status")
            code = rest.pick(entry, "errmsg") if status != "SUCCESS" else ""
            yield from self.report(rest.pick(entry, "sid"), status, code)

    def _fault(self, status: int, code: str) -> str:
        """Return what a refusal is about; codes of one family begin alike."""
        if code.startswith(("LimitExceeded", "RequestLimitExceeded", "InternalError")):
            return ""
        if code.startswith(("AuthFailure", "UnauthorizedOperation")):
            return ACCOUNT
        return super()._fault(status, code)


def authorization(
    key: tuple[str, str],
    host: str,
    content_type: str,
    body: bytes,
    now: int,
    extra: Mapping[str, str] | None = None,
    service: str = _SERVICE,
) -> str:
    """Return the header that signs a POST of `/`; `extra` are more headers to sign."""
    headers = {"content-type": content_type, "host": host} | dict(extra or {})
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name].lower()}\n" for name in names)
    signed = ";".join(names)
    parts = "POST", "/", "", lines, signed, hashlib.sha256(body).hexdigest()
    request = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    day = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%d")
    scope = f"{day}/{service}/tc3_request"
    made = b"TC3" + key[1].encode()
    for part in (day, service, "tc3_request", f"{ALGORITHM}\n{now}\n{scope}\n{request}"):
        made = hmac.digest(made, part.encode(), "sha256")
    credential = f"Credential={key[0]}/{scope}"
    return f"{ALGORITHM} {credential}, SignedHeaders={signed}, Signature={made.hex()}"
