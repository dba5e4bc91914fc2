"""MessagingConfigurations: which messaging service a service's SMS to a country go through."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, router
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify import exceptions, sids
from django_verify.api import wire
from django_verify.api.resource import (
    Create,
    Delete,
    Fetch,
    List,
    ServiceResource,
    Update,
    only,
    save_changes,
)
from django_verify.db import savepoints
from django_verify.exceptions import InvalidParameter, NotFound
from django_verify.models import MessagingConfiguration
from django_verify.models.messaging import canonical_country, validate_country


class MessagingConfigurationUpdate(wire.Parameters):
    """Of an update: the country is the key and stays."""

    MessagingServiceSid = wire.Text()


class MessagingConfigurationParameters(MessagingConfigurationUpdate):
    """Of a create."""

    Country = wire.Text()


class MessagingConfigurationAnswer(wire.Answer):
    """A messaging configuration."""

    account_sid = wire.SidOf("AC")
    service_sid = wire.SidOf("VA")
    country = serializers.CharField()
    messaging_service_sid = wire.SidOf("MG")
    date_created = serializers.DateTimeField()
    date_updated = serializers.DateTimeField()
    url = serializers.URLField()


class MessagingConfigurationViewSet(Create, Fetch, List, Update, Delete, ServiceResource):
    """`/Services/{ServiceSid}/MessagingConfigurations`: all five operations, by country."""

    path = "Services/<str:service_sid>/MessagingConfigurations"
    lookup = "country"
    key = "messaging_configurations"
    model = MessagingConfiguration
    parameters = MessagingConfigurationParameters
    update_parameters = MessagingConfigurationUpdate
    answer = MessagingConfigurationAnswer

    def get_object(self) -> MessagingConfiguration:
        """Return the configuration of the country in the path. Raises NotFound."""
        country = canonical_country(self.kwargs["country"])
        if not country.isalpha():
            raise NotFound
        row: MessagingConfiguration = only(self.get_queryset().filter(country=country))
        return row

    def perform_create(self, country: str, messaging_service_sid: str) -> MessagingConfiguration:
        """Write the configuration of a country that has none."""
        service = self.loaded_service()
        country = canonical_country(country)
        try:
            validate_country(country)
        except ValidationError as error:
            raise InvalidParameter("Country", error.messages[0]) from None
        row = MessagingConfiguration(
            service=service, country=country, messaging_service_sid=_sid(messaging_service_sid)
        )
        using = router.db_for_write(MessagingConfiguration)
        try:
            with savepoints.atomic(using):
                row.save(using=using, force_insert=True)
        except IntegrityError:
            taken = MessagingConfiguration.objects.using(using).filter(
                service_id=service.sid, country=country
            )
            # Otherwise the service was deleted meanwhile.
            raise (exceptions.DuplicateMessagingCountry if taken.exists() else NotFound) from None
        return row

    def update(self, request: Request, **kwargs: str) -> Response:
        """Send a country's SMS through another messaging service."""
        row = self.get_object()
        row.messaging_service_sid = _sid(
            self.read(MessagingConfigurationUpdate)["messaging_service_sid"]
        )
        save_changes(row, ["messaging_service_sid", "date_updated"])
        return Response(self.represent(row))

    def represent(self, row: MessagingConfiguration) -> dict[str, Any]:
        """Return the contract's object."""
        path = f"Services/{row.service_id}/MessagingConfigurations/{row.country}"
        return {
            "account_sid": self.account.sid,
            "service_sid": row.service_id,
            "country": row.country,
            "messaging_service_sid": row.messaging_service_sid,
            "date_created": wire.timestamp(row.date_created),
            "date_updated": wire.timestamp(row.date_updated),
            "url": self.link(path),
        }


def _sid(value: str) -> str:
    """Return the SID as it is stored; one that names no row is the service's own route."""
    if not sids.is_sid("MG", value):
        raise InvalidParameter("MessagingServiceSid", "not the SID of a messaging service")
    return sids.canonical(value)
