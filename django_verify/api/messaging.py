"""MessagingConfigurations: which messaging service a service's SMS to a country go through."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import router
from rest_framework import serializers

from django_verify import exceptions, sids
from django_verify.api import wire
from django_verify.api.mixins import AllVerbs
from django_verify.api.resource import ServiceResource
from django_verify.api.rows import insert, only
from django_verify.exceptions import InvalidParameter, NotFound, VerifyError
from django_verify.models import MessagingConfiguration
from django_verify.models.messaging import canonical_country, validate_country
from django_verify.rest.answers import Answer, Time


class MessagingConfigurationUpdate(wire.Parameters):
    """Of an update: the country is the key and stays."""

    MessagingServiceSid = wire.Text()


class MessagingConfigurationParameters(MessagingConfigurationUpdate):
    """Of a create."""

    Country = wire.Text()


class MessagingConfigurationAnswer(Answer):
    """A messaging configuration."""

    account_sid = wire.CallersSid()
    service_sid = wire.SidOf("VA", source="service_id")
    country = serializers.CharField()
    messaging_service_sid = wire.SidOf("MG")
    date_created = Time()
    date_updated = Time()
    url = wire.Link()


class MessagingConfigurationViewSet(AllVerbs, ServiceResource):
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
        row = MessagingConfiguration(service=service, country=country)
        row.messaging_service_sid = _sid(messaging_service_sid)

        def duplicate() -> VerifyError:
            with_country = MessagingConfiguration.objects.using(using).filter(
                service_id=service.sid, country=country
            )
            # Otherwise the service was deleted meanwhile.
            exists = with_country.exists()
            return exceptions.DuplicateMessagingCountry() if exists else NotFound()

        using = router.db_for_write(MessagingConfiguration)
        return insert(row, duplicate)

    def perform_update(
        self, row: MessagingConfiguration, /, **values: str
    ) -> MessagingConfiguration:
        """Send a country's SMS through another messaging service."""
        sid = _sid(values["messaging_service_sid"])
        updated: MessagingConfiguration = super().perform_update(row, messaging_service_sid=sid)
        return updated


def _sid(value: str) -> str:
    """Return the SID as it is stored; one that names no row is the service's own route."""
    if not sids.is_sid("MG", value):
        raise InvalidParameter("MessagingServiceSid", "not the SID of a messaging service")
    return sids.canonical(value)
