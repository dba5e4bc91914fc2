"""Sends text through Amazon SNS, with the library `boto3` of the extra `sns`.

SNS takes a message for a number that has opted out, and drops it without a word: what tells is
Amazon's log of deliveries, or `end_user_messaging`, whose errors name such a number.
"""

from __future__ import annotations

import re
from typing import Any

from django_verify.senders import rest
from django_verify.senders.aws import AwsSender
from django_verify.senders.base import Message, Receipt

# Of an invalid value, where the text names which one it is.
_INVALID = frozenset({"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid"})
_RECIPIENT = re.compile(r"Invalid parameter: PhoneNumber\b")


class SnsSender(AwsSender):
    """Transactional text from `sender_id` or `origination_number`.

    Without `access_key_id` and `secret_access_key`, AWS's own chain finds the credentials.
    """

    channels = frozenset({"sms"})
    service = "sns"

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

    def send(self, message: Message) -> Receipt:
        """Publish to the number once."""
        parameters = {
            "PhoneNumber": message.to,
            "Message": message.body,
            "MessageAttributes": self.attributes,
        }
        return self.ask("publish", parameters)

    def refuses_recipient(self, response: Any, code: str) -> bool:
        """Whether the value that is invalid is the number."""
        return code in _INVALID and bool(_RECIPIENT.match(rest.pick(response, "Error", "Message")))
