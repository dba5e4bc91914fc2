"""Sends text by templates of Alibaba Cloud's SMS, with requests that `ACS3-HMAC-SHA256` signs."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode, urlsplit

from django_verify.senders import rest, signatures, templates
from django_verify.senders.base import Callback, Message, Receipt, Report
from django_verify.senders.causes import by_code

ALGORITHM = "ACS3-HMAC-SHA256"
_VERSION = "2017-05-25"
_CHINA = "+86"
_EMPTY = hashlib.sha256(b"").hexdigest()


class AliyunSender(rest.RestSender):
    """A text of `template_code`, one or one for each locale, under the signature `sign_name`.

    `parameters` are the template's variables; `{code}` stands for the code. Reports are not signed:
    they go to the address in the console, and are believed if its query has `token=` and
    `callback_token`.
    """

    channels = frozenset({"sms"})
    reports_to_console = True
    # Not a number, on the list of those who want no texts, empty or out of service.
    permanent = frozenset({"isv.MOBILE_NUMBER_ILLEGAL", "isv.MOBILE_IN_BLACK"})
    temporary = frozenset(
        {"isp.SYSTEM_ERROR", "isv.BUSINESS_LIMIT_CONTROL", "isv.DAY_LIMIT_CONTROL"}
        | {"Throttling", "Throttling.User", "Throttling.Api", "ServiceUnavailable"}
    )
    account = frozenset(
        {"isv.AMOUNT_NOT_ENOUGH", "isv.OUT_OF_SERVICE", "isv.ACCOUNT_NOT_EXISTS"}
        | {"isv.ACCOUNT_ABNORMAL", "isv.PRODUCT_UN_SUBSCRIPT", "isv.PRODUCT_UNSUBSCRIBE"}
        | {"isp.RAM_PERMISSION_DENY", "InvalidAccessKeyId.NotFound", "SignatureDoesNotMatch"}
        | {"InvalidAccessKeyId.Inactive", "Forbidden.RAM", "NoPermission"}
    )
    statuses = {"true": "delivered", "false": "undelivered"}
    causes = by_code(
        credentials=(
            "InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive SignatureDoesNotMatch "
            "SignatureNonceUsed InvalidTimeStamp.Expired"
        ),
        balance="isv.AMOUNT_NOT_ENOUGH isv.OUT_OF_SERVICE isv.BILLING_DEDUCTION_ERROR",
        account=(
            "isv.ACCOUNT_NOT_EXISTS isv.ACCOUNT_ABNORMAL isv.PRODUCT_UN_SUBSCRIPT "
            "isv.PRODUCT_UNSUBSCRIBE isp.RAM_PERMISSION_DENY isv.RAM_CHECK_FAILED "
            "Forbidden.RAM NoPermission isv.FORBIDDEN_ACTION"
        ),
        country="isv.NOT_SUPPORTED_COUNTRY isv.COUNTRY_RESTRICTED",
        registration=(
            "isv.SMS_TEMPLATE_ILLEGAL isv.SMS_SIGNATURE_ILLEGAL isv.SMS_SIGN_NAME_ILLEGAL "
            "isv.SMS_CONTENT_CODE_ILLEGAL isv.TEMPLATE_MISSING_PARAMETERS isv.SENDERID_ERROR"
        ),
        configuration=(
            "isv.INVALID_PARAMETERS isv.INVALID_JSON_PARAM isv.PARAM_LENGTH_LIMIT "
            "isv.PARAM_NOT_SUPPORT_URL isv.MOBILE_COUNT_OVER_LIMIT"
        ),
        invalid_number="isv.MOBILE_NUMBER_ILLEGAL",
        opted_out="isv.MOBILE_IN_BLACK",
        spam="isv.BLACK_KEY_CONTROL_LIMIT",
        rate_limited=(
            "isv.BUSINESS_LIMIT_CONTROL isv.DAY_LIMIT_CONTROL BUSINESS_LIMIT_CONTROL_MINUTE "
            "BUSINESS_LIMIT_CONTROL_PHONE isv.BUSINESS_LIMIT_HOUR isv.BUSINESS_LIMIT_DAY "
            "Throttling Throttling.User Throttling.Api"
        ),
        provider_down="isp.SYSTEM_ERROR isp.GATEWAY_ERROR isp.UNKNOWN ServiceUnavailable",
    )
    report_causes = by_code(
        invalid_number="INVALID_NUMBER MOBILE_NOT_ON_SERVICE",
        unreachable="MOBILE_ACCOUNT_ABNORMAL MOBILE_TERMINAL_ERROR",
        opted_out="MOBILE_IN_BLACK",
        spam="CONTENT_KEYWORD CONTENT_ERROR",
        registration="SIGNATURE_BLACKLIST",
        rate_limited="MOBILE_SEND_LIMIT",
    )
    error_list = "https://www.alibabacloud.com/help/doc-detail/116206.htm"

    def __init__(
        self,
        alias: str,
        *,
        access_key_id: str,
        access_key_secret: str,
        sign_name: str,
        template_code: templates.Ids,
        parameters: Mapping[str, str] | None = None,
        callback_token: str = "",
        base_url: str = "https://dysmsapi.aliyuncs.com",
    ) -> None:
        super().__init__(alias)
        if not template_code:
            raise ValueError("template_code is empty")
        self.key = access_key_id, access_key_secret
        self.sign_name, self.template_code = sign_name, template_code
        self.parameters = {"code": templates.CODE} if parameters is None else dict(parameters)
        self.base_url, self.callback_token = base_url, callback_token
        self.reporting = bool(callback_token)

    def request(self, message: Message) -> rest.Request:
        """Ask for a text; numbers of China's mainland go without their country's code."""
        values = {name: templates.filled(text, message) for name, text in self.parameters.items()}
        query = {
            "PhoneNumbers": message.to.removeprefix(_CHINA).removeprefix("+"),
            "SignName": self.sign_name,
            "TemplateCode": templates.pick(self.template_code, message.locale),
            "TemplateParam": json.dumps(values, ensure_ascii=False),
            "OutId": message.attempt_sid,
        }
        headers = {
            "host": urlsplit(self.base_url).netloc,
            "x-acs-action": "SendSms",
            "x-acs-content-sha256": _EMPTY,
            "x-acs-date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-version": _VERSION,
        }
        headers["Authorization"] = authorization(self.key, "POST", query, headers)
        del headers["host"]  # the connection writes it
        return rest.Request(f"{self.base_url}/?{canonical_query(query)}", headers=headers)

    def receipt(self, data: object) -> Receipt:
        """Read the id under which reports come."""
        return Receipt(rest.pick(data, "BizId"))

    def error(self, data: object) -> str:
        """Read the code, which is also there where all went well."""
        code = rest.pick(data, "Code")
        return "" if code == "OK" else code

    def is_signed(self, callback: Callback) -> bool:
        """Look for the token in the query, once."""
        return signatures.has_token(callback.url, self.callback_token)

    def read(self, callback: Callback) -> Iterable[Report]:
        """Read the reports of some messages, which come together."""
        for entry in rest.parsed_list(callback.body):
            flag = entry.get("success") if isinstance(entry, dict) else None
            status = str(flag).lower() if isinstance(flag, bool) else rest.pick(entry, "success")
            code = rest.pick(entry, "err_code") if status == "false" else ""
            yield from self.report(rest.pick(entry, "biz_id"), status, code)


def canonical_query(query: Mapping[str, str]) -> str:
    """Return the query as it is signed and sent: sorted, with only the unreserved letters bare."""
    return urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")


def authorization(
    key: tuple[str, str], method: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> str:
    """Return the header that signs a request for `/` with these headers, spelled in lower case."""
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    signed = ";".join(names)
    parts = method, "/", canonical_query(query), lines, signed, headers["x-acs-content-sha256"]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    text = f"{ALGORITHM}\n{digest}".encode()
    signature = hmac.new(key[1].encode(), text, hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={key[0]},SignedHeaders={signed},Signature={signature}"
