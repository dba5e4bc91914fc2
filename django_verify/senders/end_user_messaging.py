"""Sends through AWS End User Messaging (`pinpoint-sms-voice-v2`): text, and spoken text by calls.

With the library `boto3` of the extra `sns`. AWS reports to an event destination of its own, so no
reports are read here.
"""

from __future__ import annotations

from typing import Any

from django_verify.senders import rest, templates
from django_verify.senders.aws import AwsSender
from django_verify.senders.base import Message, Receipt
from django_verify.senders.causes import by_code

#: The voice for a locale of ours; the service has none for Catalan, Finnish and Cantonese.
VOICES = {
    "da": "NAJA",
    "de": "VICKI",
    "en": "JOANNA",
    "en-GB": "AMY",
    "es": "LUCIA",
    "fr": "LEA",
    "it": "BIANCA",
    "ja": "TAKUMI",
    "ko": "SEOYEON",
    "nb": "LIV",
    "nl": "LOTTE",
    "pl": "EWA",
    "pt": "INES",
    "pt-BR": "CAMILA",
    "ru": "TATYANA",
    "sv": "ASTRID",
    "zh": "ZHIYU",
}
_INDIA = "+91"
_SHORTEST_TTL, _LONGEST_TTL = 5, 259_200


class EndUserMessagingSender(AwsSender):
    """Transactional text from `origination_identity`: a number, sender id, pool, or its ARN.

    Without one AWS chooses. Calls come from `call_from`, a number that can speak; without it there
    are none. India's operators want `india_entity_id` and `india_template_id`, the latter one for
    all texts or one for each locale. After `ttl` seconds AWS gives a message up.
    """

    channels = frozenset({"sms"})
    service = "pinpoint-sms-voice-v2"
    account = frozenset(
        {"AccessDeniedException", "ResourceNotFoundException", "ServiceQuotaExceededException"}
        | {"INSUFFICIENT_ACCOUNT_REPUTATION", "ACCOUNT_DISABLED", "COUNTRY_NOT_ENABLED"}
        | {"CHANNEL_NOT_ENABLED", "INTERNATIONAL_SENDING_NOT_SUPPORTED"}
    )
    causes = by_code(
        credentials=(
            "InvalidClientTokenId SignatureDoesNotMatch UnrecognizedClientException "
            "ExpiredToken ExpiredTokenException MissingAuthenticationToken "
            "IncompleteSignature"
        ),
        account=(
            "AccessDeniedException INSUFFICIENT_ACCOUNT_REPUTATION ACCOUNT_DISABLED "
            "CHANNEL_NOT_ENABLED DESTINATION_PHONE_NUMBER_NOT_VERIFIED"
        ),
        balance="MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT MONTHLY_SPEND_LIMIT_REACHED_FOR_VOICE",
        country=(
            "COUNTRY_NOT_ENABLED DESTINATION_COUNTRY_BLOCKED "
            "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION "
            "INTERNATIONAL_SENDING_NOT_SUPPORTED VOICE_CAPABILITY_NOT_AVAILABLE"
        ),
        registration=(
            "REGISTRATION_NOT_COMPLETE SENDER_ID_NOT_REGISTERED MESSAGE_TYPE_MISMATCH "
            "NUMBER_CAPABILITIES_MISMATCH"
        ),
        configuration=(
            "FIELD_VALIDATION_FAILED NO_ORIGINATION_IDENTITIES_FOUND "
            "ResourceNotFoundException ValidationException CANNOT_PARSE INVALID_REQUEST "
            "PRICE_OVER_THRESHOLD"
        ),
        opted_out="DESTINATION_PHONE_NUMBER_OPTED_OUT",
        rate_limited=(
            "ThrottlingException Throttling ServiceQuotaExceededException "
            "RequestLimitExceeded DAILY_DESTINATION_CALL_LIMIT"
        ),
        provider_down="InternalServerException InternalFailure ServiceUnavailable",
        no_answer="RequestTimeout",
    )
    error_list = (
        "https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/"
        "API_SendTextMessage.html"
    )

    def __init__(
        self,
        alias: str,
        *,
        region: str,
        origination_identity: str = "",
        call_from: str = "",
        configuration_set: str = "",
        protect_configuration: str = "",
        max_price: str = "",
        ttl: int = 600,
        india_entity_id: str = "",
        india_template_id: templates.Ids = "",
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
        if bool(india_entity_id) != bool(india_template_id):
            raise ValueError("give both india_entity_id and india_template_id, or neither")
        if not _SHORTEST_TTL <= ttl <= _LONGEST_TTL:
            raise ValueError(f"ttl is {_SHORTEST_TTL} to {_LONGEST_TTL} seconds")
        self.origin, self.call_from = origination_identity, call_from
        self.entity_id, self.template_id = india_entity_id, india_template_id
        self.max_price = max_price
        self.shared: dict[str, Any] = {"TimeToLive": ttl} | rest.fields(
            ConfigurationSetName=configuration_set, ProtectConfigurationId=protect_configuration
        )
        if call_from:
            self.channels = frozenset({"sms", "call"})

    def send(self, message: Message) -> Receipt:
        """Ask for a text or a call once."""
        parameters = {
            "DestinationPhoneNumber": message.to,
            "MessageBody": message.body,
            # In the events that AWS may be set up to write, and of no meaning to it.
            "Context": {"attempt": message.attempt_sid},
            **self.shared,
        }
        if message.channel == "call":
            return self.ask("send_voice_message", parameters | self._speech(message))
        return self.ask("send_text_message", parameters | self._text(message))

    def code(self, response: Any) -> str:
        """Return the reason where an error has one, for its name alone is vague."""
        return rest.pick(response, "Reason") or super().code(response)

    def refuses_recipient(self, response: Any, code: str) -> bool:
        """Whether the number has opted out, or is named as the value that is invalid."""
        if code == "DESTINATION_PHONE_NUMBER_OPTED_OUT":
            return True
        listed = response.get("Fields") or []
        names = {rest.pick(field, "Name").lower() for field in listed}
        return code == "FIELD_VALIDATION_FAILED" and names == {"destinationphonenumber"}

    def _text(self, message: Message) -> dict[str, Any]:
        parameters: dict[str, Any] = {"MessageType": "TRANSACTIONAL"}
        parameters |= rest.fields(OriginationIdentity=self.origin, MaxPrice=self.max_price)
        if self.entity_id and message.to.startswith(_INDIA):
            parameters["DestinationCountryParameters"] = {
                "IN_ENTITY_ID": self.entity_id,
                "IN_TEMPLATE_ID": templates.pick(self.template_id, message.locale),
            }
        return parameters

    def _speech(self, message: Message) -> dict[str, Any]:
        voice = rest.voice(message, VOICES)
        parameters = {"MessageBodyTextType": "TEXT", "VoiceId": voice}
        return parameters | {"OriginationIdentity": self.call_from}
