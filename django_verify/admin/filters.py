"""The filters of the lists of records: by status, channel, country, service and age."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import Choices, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.admin import labels
from django_verify.models import Verification, VerificationAttempt, VerifyService

_NO_COUNTRY = "-"
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
#: Verifications whose countries the filter offers.
LATEST = 500
_Status = Verification.Status


class StatusFilter(admin.SimpleListFilter):
    """By the status that the clock makes of the stored one."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return every status."""
        return _Status.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Count a pending row as expired once its lifetime has ended."""
        status = self.value()
        over = Q(status=_Status.PENDING, expires_at__lte=timezone.now())
        if status == _Status.EXPIRED:
            return queryset.filter(over | Q(status=_Status.EXPIRED))
        if status == _Status.PENDING:
            return queryset.filter(status=_Status.PENDING).exclude(over)
        return queryset.filter(status=status) if status in _Status.values else queryset


class ValueFilter(admin.SimpleListFilter):
    """By one value; the parameter is the filter's own name and never a look-up of the host's."""

    column = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows with the chosen value."""
        value = self.value()
        offered = {str(choice) for choice, _label in self.lookup_choices}
        return queryset.filter(**{self.column: value}) if value in offered else queryset


class ChoicesFilter(ValueFilter):
    """By the choices of a field."""

    choices_of: type[Choices]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return every choice."""
        return self.choices_of.choices


class MessageStatusFilter(ChoicesFilter):
    """By what became of a message."""

    title = _("message status")
    parameter_name = column = "message_status"
    choices_of = VerificationAttempt.MessageStatus


class ChannelFilter(ValueFilter):
    """By channel."""

    title = _("channel")
    parameter_name = column = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return every channel that a record can have."""
        return labels.channel_choices()


class TestFilter(ValueFilter):
    """By whether the recipient was a test number."""

    __test__ = False  # the name is no test's

    title = _("test number")
    parameter_name = "test"
    column = "is_test"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return both."""
        return [("1", _("yes")), ("0", _("no"))]


class CountryFilter(ValueFilter):
    """By country; e-mail addresses have none."""

    title = _("country")
    parameter_name = column = "country"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return the countries of the latest verifications; the URL may name any other."""
        latest = Verification.objects.order_by("-pk").values_list("country", flat=True)
        found = set(latest[:LATEST])
        named = sorted((labels.country(name), name) for name in found if name)
        none = [(_NO_COUNTRY, _("none"))] if "" in found else []
        return [*none, *((name, text) for text, name in named)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the country, or of none."""
        value = self.value() or ""
        if value == _NO_COUNTRY:
            return queryset.filter(**{self.column: ""})
        return queryset.filter(**{self.column: value}) if _COUNTRY.match(value) else queryset


class AttemptCountryFilter(CountryFilter):
    """By the country of an attempt's verification."""

    column = "verification__country"


class MomentFilter(admin.DateFieldListFilter):
    """By a time; one that no calendar or column has is an incorrect parameter, as any text is."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the time. Raises IncorrectLookupParameters."""
        asked: dict[str, Any] = self.used_parameters
        try:
            moments = [self.field.to_python(values[-1]) for values in asked.values()]
            for moment in moments:
                moment.astimezone(dt.UTC)
        except (OverflowError, ValueError, ValidationError) as error:
            raise IncorrectLookupParameters(error) from error
        if timezone.is_naive(timezone.now()) and any(map(timezone.is_aware, moments)):
            raise IncorrectLookupParameters("a site without USE_TZ has times without a zone")
        found: QuerySet[Any] = super().queryset(request, queryset)  # type: ignore[assignment]
        return found


class AgeFilter(MomentFilter):
    """By when a record was made; ordered by the key, because the column has no index."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the time, as the database finds them by their keys."""
        prefix = queryset.model._meta.pk.prefix  # noqa: SLF001 - a documented API
        found = super().queryset(request, queryset)
        asked: dict[str, Any] = self.used_parameters
        for parameter, values in asked.items():
            lookup = parameter.removeprefix(f"{self.field.name}__")
            moment = self.field.to_python(values[-1])
            found = found.filter(**{f"pk__{lookup}": sids.first_at(prefix, moment)})
        return found


class ExpiringAgeFilter(MomentFilter):
    """By when a record was made that ends later; the end alone has an index."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the time, as the database finds them by their end."""
        found = super().queryset(request, queryset)
        asked: dict[str, Any] = self.used_parameters
        since = asked.get(f"{self.field_path}__gte")
        return (
            found.filter(expiration_date__gte=self.field.to_python(since[-1])) if since else found
        )


class ServiceFilter(ValueFilter):
    """By service; the account distinguishes services of one name."""

    title = _("service")
    parameter_name = column = "service"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return every service."""
        rows = VerifyService.objects.order_by("friendly_name", "sid")
        names = rows.values_list("sid", "friendly_name", "account__friendly_name")
        return [(sid, f"{name} ({account})") for sid, name, account in names]


class AttemptServiceFilter(ServiceFilter):
    """By the service of an attempt's verification."""

    column = "verification__service"
