"""Sends text through Amazon SNS, with the library `boto3` of the extra `sns`."""

from __future__ import annotations

import re
from typing import Any

from django_verify.senders import rest
from django_verify.senders.aws import AwsSender
from django_verify.senders.base import Message, Receipt, SendError
from django_verify.senders.causes import by_code

# Of an invalid value, where the text names which one it is.
_INVALID = frozenset({"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid"})
_RECIPIENT = re.compile(r"Invalid parameter: PhoneNumber\b")


class SnsSender(AwsSender):
    """Transactional text from `sender_id` or `origination_number`.

    Without `access_key_id` and `secret_access_key`, AWS's own chain finds the credentials.
    SNS accepts a message to a number that has opted out, and sends nothing: with `ask_opt_out`
    each message is preceded by that question, which needs the permission
    `sns:CheckIfPhoneNumberIsOptedOut`. Neither does SNS report deliveries over HTTP.
    """

    channels = frozenset({"sms"})
    service = "sns"
    causes = by_code(
        credentials=(
            "InvalidClientTokenId SignatureDoesNotMatch UnrecognizedClientException "
            "ExpiredToken ExpiredTokenException MissingAuthenticationToken "
            "IncompleteSignature InvalidSecurity"
        ),
        account="AuthorizationError AccessDenied AccessDeniedException OptInRequired UserError",
        opted_out="OptedOut",
        configuration=(
            "InvalidParameter InvalidParameterValue ParameterValueInvalid ValidationError "
            "EndpointDisabled NotFound"
        ),
        rate_limited="Throttled Throttling ThrottlingException RequestLimitExceeded KMSThrottling",
        provider_down="InternalError InternalFailure ServiceUnavailable",
        no_answer="RequestTimeout",
    )
    error_list = "https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"

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
        super().__init__(
            alias,
            region=region,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            endpoint_url=endpoint_url,
        )
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
        self.ask_opt_out = ask_opt_out

    def send(self, message: Message) -> Receipt:
        """Publish to the number once."""
        if self.ask_opt_out:
            number = {"phoneNumber": message.to}
            asked = self.call("check_if_phone_number_is_opted_out", number, sends=False)
            if asked.get("isOptedOut"):
                raise SendError("the recipient has opted out", code="OptedOut")
        parameters = {
            "PhoneNumber": message.to,
            "Message": message.body,
            "MessageAttributes": self.attributes,
        }
        return self.ask("publish", parameters)

    def refuses_recipient(self, response: Any, code: str) -> bool:
        """Whether the value that is invalid is the number."""
        return code in _INVALID and bool(_RECIPIENT.match(rest.pick(response, "Error", "Message")))
