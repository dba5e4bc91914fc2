"""The serializers of the endpoints: the JSON members of requests and answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from django_verify.exceptions import InvalidParameter
from django_verify.models.clients import NONCE_LENGTH, PURPOSE_LENGTH
from django_verify.rest import bodies
from django_verify.rest.answers import Answer, TextOrNull, Time, computed
from django_verify.verifications import progress


class Text(serializers.CharField):
    """A JSON string as sent; a number is refused, nothing is trimmed."""

    def __init__(self, max_length: int, **kwargs: Any) -> None:
        kwargs.setdefault("allow_blank", not kwargs.get("required", True))
        super().__init__(max_length=max_length, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Hint(serializers.CharField):
    """What a device says of itself: a start goes on without what cannot be read.

    A value of another type is none, and so is one that no database would take; the verbs pass over
    what they do not understand.
    """

    def run_validation(self, data: Any = empty) -> str:
        """Return the string as sent, or an empty one."""
        if data is empty:
            return str(super().run_validation(data))
        return data if isinstance(data, str) and bodies.is_text(data) else ""


class Body(serializers.Serializer[Any]):
    """The members of a request; unknown ones are ignored, so that newer apps may send more."""

    def read(self, members: Any) -> dict[str, Any]:
        """Return the valid members. Raises InvalidParameter for the first that is not."""
        try:
            return dict(self.run_validation(members))
        except serializers.ValidationError as error:
            details: Any = error.detail
            name, reasons = next(iter(details.items()))
            raise InvalidParameter(str(name), str(reasons[0])) from None


class StartBody(Body):
    """Whom to send a code, and how."""

    to = Text(320, help_text="A phone number in any spelling, or an e-mail address.")
    region = Hint(required=False, help_text="ISO 3166 country of a number without +.")
    channel = Text(16, required=False, help_text="One of those on offer; else the preferred one.")
    locale = Hint(required=False, help_text="Language of the message, such as pt-BR.")
    app_hash = Hint(required=False, help_text="Of Android's SMS Retriever.")
    autofill_domain = Text(
        253, required=False, help_text="Below the service's; an empty one binds the code to none."
    )
    purpose = Text(PURPOSE_LENGTH, required=False, help_text="What the recipient is verified for.")
    nonce = Text(NONCE_LENGTH, required=False, help_text="Comes back in the proof.")
    device_id = Text(128, required=False, help_text="The app's own id of this installation.")
    gate_token = Text(16_384, required=False, help_text="Of the captcha or attestation.")
    device_token = Hint(required=False, help_text="Of an earlier approval's answer.")


class ResendBody(Body):
    """The caller's secret, and another channel if it wants one."""

    client_secret = Text(128)
    channel = Text(16, required=False, help_text="One of those on offer; else the same again.")
    locale = Hint(required=False)
    app_hash = Hint(required=False)
    autofill_domain = Text(253, required=False)
    device_id = Text(128, required=False)


class CheckBody(Body):
    """The caller's secret, and the code that came."""

    client_secret = Text(128)
    code = Text(64, help_text="As typed: digits of any script, spaces and hyphens.")


class StateAnswer(Answer):
    """How a verification stands: the same members at every step."""

    id = serializers.RegexField(r"^CV[0-9a-f]{32}$", source="sid")
    to = serializers.CharField(help_text="The recipient as it was understood.")
    channel = serializers.CharField()
    channels = serializers.ListField(
        child=serializers.CharField(), help_text="The others on offer."
    )
    purpose = serializers.CharField()
    status = serializers.ChoiceField(
        ["pending", "approved", "canceled", "max_attempts_reached", "expired"]
    )
    valid = serializers.BooleanField(help_text="Whether the right code was given.")
    delivery = serializers.ChoiceField(
        progress.WORDS, help_text="How far the last message is, as far as providers report."
    )
    next_channel = TextOrNull(help_text="The channel to offer where the message failed.")
    expires_at = Time()
    next_send_at = Time(
        allow_null=True, help_text="When another message may be asked for; null: not any more."
    )
    code_length = serializers.IntegerField(help_text="Digits of the code that was sent.")
    sends_left = serializers.IntegerField()
    checks_left = serializers.IntegerField()
    proof = TextOrNull(help_text="Once approved; it works once.")
    device_token = TextOrNull(
        help_text="Once approved; to keep, and to send with later starts for the same number."
    )
    not_recorded = serializers.ListField(
        child=serializers.CharField(),
        source="refused",
        help_text="Why the number was not kept for the user who is logged in.",
    )


class StartAnswer(StateAnswer):
    """The first answer, and the only one with the secret."""

    client_secret = serializers.CharField(source="secret")


class CountryAnswer(Answer):
    """A country for a picker."""

    region = serializers.CharField(source="country.region", help_text="ISO 3166 code.")
    name = serializers.CharField(source="country.name")
    calling_code = serializers.IntegerField(source="country.calling_code")
    channels = serializers.ListField(
        child=serializers.CharField(), help_text="Those that reach its numbers."
    )


class OfferAnswer(Answer):
    """What can be started."""

    channels = serializers.ListField(
        child=serializers.CharField(), help_text="The preferred one first."
    )
    countries = computed(
        CountryAnswer(many=True, help_text="In the order of their names."),
        lambda offer, view: [CountryAnswer.represent(option) for option in offer.countries],
    )


class Refusal(serializers.Serializer[Any]):
    """What every refusal answers."""

    reason = serializers.CharField()
    message = serializers.CharField()
    parameter = serializers.CharField(required=False)
    retry_after = serializers.IntegerField(required=False)
    retry_at = serializers.DateTimeField(required=False)
