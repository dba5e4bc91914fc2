"""The filters by which the dashboard's numbers lead to the attempts behind them.

They are shown in the list while they are in use, and offered nowhere else.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify.models import Verification, VerificationAttempt

_Status = VerificationAttempt.MessageStatus
_ARRIVED = (_Status.DELIVERED, _Status.READ)
_SENT = Q(message_status__in=(_Status.SENT, _Status.UNDELIVERED, *_ARRIVED)) | (
    Q(message_status=_Status.FAILED) & ~Q(provider_sid="")
)
# As `rollups.counting` counts them.
_FIGURES = {
    "starts": (_("starts"), Q()),
    "sent": (_("sent"), _SENT),
    "delivered": (_("delivered"), Q(message_status__in=_ARRIVED)),
    "failed": (
        _("not delivered"),
        Q(message_status__in=(_Status.UNDELIVERED, _Status.FAILED)),
    ),
    "approved": (_("approved"), Q(verification__status=Verification.Status.APPROVED)),
}


def counted_as(figure: str) -> Q:
    """Return the condition of what a figure counts; of all starts for any that is none."""
    return _FIGURES.get(figure, _FIGURES["starts"])[1]


class GivenFilter(admin.SimpleListFilter):
    """A filter that is there while the URL has it."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return the given value alone."""
        value = self.value()
        return [(value, value or _("none"))] if value is not None else []


class FigureFilter(GivenFilter):
    """By what an attempt was counted as; test numbers are counted nowhere."""

    title = _("counted as")
    parameter_name = "figure"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return the given figure by its name."""
        value = self.value()
        return [(value, _FIGURES[value][0])] if value in _FIGURES else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows that the figure counts."""
        value = self.value()
        if value not in _FIGURES:
            return queryset
        return queryset.filter(_FIGURES[value][1], verification__is_test=False)


class LockedFilter(GivenFilter):
    """By whether a verification is used up by wrong codes, and not over yet."""

    title = _("Locked now")
    parameter_name = "locked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return the one choice."""
        return [("now", _("yes"))] if self.value() == "now" else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows that the dashboard counts."""
        if self.value() != "now":
            return queryset
        status = Verification.Status.MAX_ATTEMPTS_REACHED
        return queryset.filter(status=status, is_test=False, expires_at__gt=timezone.now())


class SenderFilter(GivenFilter):
    """By the sender of the message."""

    title = _("sender")
    parameter_name = "sender"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the sender."""
        return queryset.filter(sender=_storable(self.value()))


class LocaleFilter(GivenFilter):
    """By the language of the message."""

    title = _("language")
    parameter_name = "locale"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the language: the template's, or the one that was asked for."""
        value = _storable(self.value())
        asked = Q(locale=value) & (Q(template__isnull=True) | Q(template__locale__isnull=True))
        return queryset.filter(Q(template__locale=value) | asked)


class TemplateFilter(GivenFilter):
    """By the template of the message; empty is the default text."""

    title = _("template")
    parameter_name = "template"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the template."""
        value = _storable(self.value())
        named = {"template__sid": value} if value else {"template__isnull": True}
        return queryset.filter(**named)


#: All of them, for a list of attempts.
FILTERS: tuple[type[admin.SimpleListFilter], ...] = (
    FigureFilter,
    SenderFilter,
    LocaleFilter,
    TemplateFilter,
)
PARAMETERS = frozenset({"figure", "sender", "locale", "template"})


def _storable(value: str | None) -> str:
    """Return a value as a column can be asked for it: PostgreSQL refuses a NUL."""
    return (value or "").replace("\0", "")
