"""Access tokens, with which a device creates its factor, and further notifications to it."""

from __future__ import annotations

import re
from typing import Any

from rest_framework import serializers

from django_verify import exceptions, sids
from django_verify.api import fields, wire
from django_verify.api.entities import EntityResource
from django_verify.api.mixins import Create, Fetch
from django_verify.api.resource import ServiceResource
from django_verify.exceptions import InvalidAccessTokenParameter, InvalidParameter, NotFound
from django_verify.factors import access_tokens, challenges, notifications
from django_verify.models import AccessToken, Notification
from django_verify.rest.answers import Answer, TextOrNull, Time, computed, constant

_IDENTITY = re.compile(r"[0-9A-Za-z-]{8,64}\Z")


class Identity(fields.Formed):
    """8–64 letters, digits and hyphens."""

    default_error_messages = {"identity": "it has 8–64 letters, digits and hyphens"}

    def to_internal_value(self, data: str) -> str:
        """Return the identity as it was sent."""
        if not _IDENTITY.match(data):
            self.fail("identity")
        return data


class AccessTokenParameters(wire.Parameters):
    """Of create."""

    Identity = Identity()
    FactorType = fields.OneOf("push")
    FactorFriendlyName = wire.Text(64, required=False)
    Ttl = wire.Integer(access_tokens.SHORTEST_TTL, access_tokens.LONGEST_TTL, required=False)


class AccessTokenAnswer(Answer):
    """An access token."""

    sid = wire.SidOf("YK")
    account_sid = wire.CallersSid()
    service_sid = wire.SidOf("VA", source="service_id")
    entity_identity = serializers.CharField(source="identity")
    factor_type = serializers.ChoiceField(["push"])
    factor_friendly_name = TextOrNull()
    token = computed(serializers.CharField(), lambda row, view: access_tokens.text(row))
    url = wire.Link()
    ttl = serializers.IntegerField()
    date_created = Time()


class AccessTokenViewSet(Create, Fetch, ServiceResource):
    """`/Services/{ServiceSid}/AccessTokens`: absent once its time is over."""

    path = "Services/<str:service_sid>/AccessTokens"
    prefix = "YK"
    model = AccessToken
    parameters = AccessTokenParameters
    answer = AccessTokenAnswer

    def as_ours(self, error: exceptions.VerifyError) -> exceptions.VerifyError:
        """Return a bad parameter under the number of access tokens."""
        if type(error) is not InvalidParameter:
            return error
        return InvalidAccessTokenParameter(error.parameter, error.reason)

    def get_object(self) -> AccessToken:
        """Return the token of the path. Raises NotFound."""
        sid = self.kwargs["sid"]
        if not sids.is_sid("YK", sid):
            raise NotFound
        return access_tokens.fetch(self.service, sids.canonical(sid))

    def perform_create(self, identity: str, factor_type: str, **values: Any) -> AccessToken:
        """Issue a token."""
        return access_tokens.issue(
            self.loaded_service(),
            identity,
            factor_type,
            friendly_name=values.get("factor_friendly_name", ""),
            ttl=values.get("ttl", access_tokens.DEFAULT_TTL),
        )


class NotificationParameters(wire.Parameters):
    """Of create."""

    Ttl = wire.Integer(0, notifications.LONGEST_TTL, required=False)


class NotificationAnswer(Answer):
    """A notification that was asked for."""

    sid = wire.SidOf("NT")
    account_sid = wire.CallersSid()
    service_sid = wire.SidOf("VA", source="challenge.service_id")
    entity_sid = wire.SidOf("YE", source="challenge.entity_id")
    identity = serializers.CharField(source="challenge.entity.identity")
    challenge_sid = wire.SidOf("YC", source="challenge_id")
    priority = constant(serializers.ChoiceField(["high"]), "high")
    ttl = serializers.IntegerField()
    date_created = Time()


class NotificationViewSet(Create, EntityResource):
    """`…/Challenges/{ChallengeSid}/Notifications`: one more, for a challenge that waits."""

    path = (
        "Services/<str:service_sid>/Entities/<str:identity>"
        "/Challenges/<str:challenge_sid>/Notifications"
    )
    model = Notification
    parameters = NotificationParameters
    answer = NotificationAnswer

    def perform_create(self, ttl: int = notifications.LONGEST_TTL) -> Notification:
        """Queue it. Raises NotFound for a challenge of another entity."""
        sid = self.kwargs["challenge_sid"]
        if not sids.is_sid("YC", sid):
            raise NotFound
        return notifications.ask(challenges.fetch(self.entity, sids.canonical(sid)), ttl)
