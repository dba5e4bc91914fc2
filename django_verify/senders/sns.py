"""Sends text through Amazon SNS, with the library `boto3` of the extra `sns`."""

from __future__ import annotations

import logging
import re
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from django_verify.net.times import read_retry_after
from django_verify.senders import rest
from django_verify.senders.base import (
    ACCOUNT,
    REQUEST,
    Message,
    Receipt,
    Sender,
    SendError,
    TemporarySendError,
)

# Of an invalid value, where the text names which one it is.
_INVALID = frozenset({"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid"})
_RECIPIENT = re.compile(r"Invalid parameter: PhoneNumber\b")
# Limits and outages, whatever the HTTP status.
_TEMPORARY = frozenset(
    {"InternalError", "InternalFailure", "KMSThrottling", "RequestTimeout", "ServiceUnavailable"}
    | {"Throttled", "Throttling", "ThrottlingException", "RequestLimitExceeded"}
)


class SnsSender(Sender):
    """Transactional text from `sender_id` or `origination_number`.

    Without `access_key_id` and `secret_access_key`, AWS's own chain finds the credentials.
    SNS accepts a message to a number that has opted out, and sends nothing: with `ask_opt_out`
    each message is preceded by that question, which needs the permission
    `sns:CheckIfPhoneNumberIsOptedOut`. Neither does SNS report deliveries over HTTP.
    """

    channels = frozenset({"sms"})

    def __init__(
        self,
        alias: str,
        *,
        region: str,
        sender_id: str = "",
        origination_number: str = "",
        max_price: str = "",
        access_key_id: str = "",
        secret_access_key: str = "",
        endpoint_url: str = "",
        ask_opt_out: bool = False,
    ) -> None:
        super().__init__(alias)
        if find_spec("boto3") is None:
            raise ValueError("it needs boto3: install django-verify[sns]")
        if bool(access_key_id) != bool(secret_access_key):
            raise ValueError("give both access_key_id and secret_access_key, or neither")
        if not region:
            raise ValueError("region must not be empty")
        attributes = {
            "AWS.SNS.SMS.SMSType": ("String", "Transactional"),
            "AWS.SNS.SMS.SenderID": ("String", sender_id),
            "AWS.SNS.SMS.MaxPrice": ("Number", max_price),
            "AWS.MM.SMS.OriginationNumber": ("String", origination_number),
        }
        self.attributes = {
            name: {"DataType": kind, "StringValue": value}
            for name, (kind, value) in attributes.items()
            if value
        }
        self.options = {"region_name": region} | rest.fields(
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            endpoint_url=endpoint_url,
        )
        self.ask_opt_out = ask_opt_out
        # At DEBUG it writes every request down, message and all.
        logger = logging.getLogger("botocore")
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)

    def send(self, message: Message) -> Receipt:
        """Publish to the number once; the library's own retries are off."""
        if self.ask_opt_out:
            asked = self._call("check_if_phone_number_is_opted_out", phoneNumber=message.to)
            if asked.get("isOptedOut"):
                raise SendError("the recipient has opted out", code="OptedOut")
        answer = self._call(
            "publish",
            PhoneNumber=message.to,
            Message=message.body,
            MessageAttributes=self.attributes,
        )
        return Receipt(provider_sid=rest.pick(answer, "MessageId"))

    def _call(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Call one operation. Only a message that was to be published may have been sent."""
        import botocore.exceptions as errors  # noqa: PLC0415 - an extra
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - an extra

        try:
            answer: dict[str, Any] = getattr(self._client, name)(**parameters)
        except errors.ClientError as error:
            failure: SendError = _refusal(error.response)
        except (
            errors.ConnectTimeoutError,
            errors.EndpointConnectionError,
            errors.NoCredentialsError,
            errors.SSLError,
        ) as error:
            failure = TemporarySendError(f"AWS could not be reached: {type(error).__name__}")
        except (errors.BotoCoreError, ResponseParserError) as error:
            text = f"AWS did not answer: {type(error).__name__}"
            failure = TemporarySendError(text, uncertain=True)
        else:
            return answer
        if isinstance(failure, TemporarySendError) and name != "publish":
            failure.uncertain = False
        # Raised out here, for the library's error holds the request.
        raise failure

    @cached_property
    def _client(self) -> Any:
        import boto3.session  # noqa: PLC0415 - an extra
        from botocore.config import Config  # noqa: PLC0415 - an extra

        times = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
        return boto3.session.Session().client("sns", config=times, **self.options)


def _refusal(response: Any) -> SendError:
    code = rest.code_of(rest.pick(response, "Error", "Code"))
    status = rest.pick(response, "ResponseMetadata", "HTTPStatusCode")
    if code in _INVALID and _RECIPIENT.match(rest.pick(response, "Error", "Message")):
        return SendError("AWS refused the recipient", code=code)
    pause = rest.pick(response, "ResponseMetadata", "HTTPHeaders", "retry-after")
    busy = code in _TEMPORARY or status.startswith("5") or status == "429"
    fault = "" if busy else REQUEST if status == "400" else ACCOUNT
    return TemporarySendError(
        "AWS did not take the message for now" if busy else "AWS refused the request",
        code=code or status,
        uncertain=status.startswith("5") and status != "503",
        retry_after=read_retry_after(pause, rest.LONGEST_PAUSE),
        fault=fault,
    )
