"""Templates: the messages that a caller may choose from; they are written in the admin."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from django_verify.api import wire
from django_verify.api.resource import List, PageParameters, Resource
from django_verify.models import Template, TemplateTranslation


class TemplateFilter(PageParameters):
    """Of the list."""

    FriendlyName = wire.Text(required=False)


class TranslationAnswer(wire.Answer):
    """A translation of a template."""

    is_default_translation = serializers.BooleanField()
    status = serializers.CharField()
    locale = serializers.CharField()
    text = serializers.CharField()
    date_updated = serializers.DateTimeField()
    date_created = serializers.DateTimeField()


class TemplateAnswer(wire.Answer):
    """A template."""

    sid = wire.SidOf("HJ")
    account_sid = wire.SidOf("AC")
    friendly_name = serializers.CharField()
    channels = serializers.ListField(child=serializers.CharField())
    translations = serializers.DictField(child=TranslationAnswer())


class TemplateViewSet(List, Resource):
    """`/Templates`: the account's own and the ready-made ones."""

    path = "Templates"
    key = "templates"
    model = Template
    filters = TemplateFilter
    answer = TemplateAnswer

    def get_queryset(self) -> QuerySet[Template]:
        """Return what the caller may use."""
        return Template.of_account(self.account.sid).prefetch_related("translations")

    def narrow(self, rows: QuerySet[Template], **filters: Any) -> QuerySet[Template]:
        """Return the templates of a name if one is given."""
        name = filters.get("friendly_name")
        return rows.filter(friendly_name=name) if name else rows

    def represent(self, template: Template) -> dict[str, Any]:
        """Return the contract's object; a ready-made template is told as the caller's own."""
        return {
            "sid": template.sid,
            "account_sid": self.account.sid,
            "friendly_name": template.friendly_name,
            "channels": template.channels,
            "translations": {row.locale: _translation(row) for row in template.translations.all()},
        }


def _translation(row: TemplateTranslation) -> dict[str, Any]:
    return {
        "is_default_translation": row.is_default,
        "status": row.status,
        "locale": row.locale,
        "text": row.text,
        "date_updated": _precisely(row.date_updated),
        "date_created": _precisely(row.date_created),
    }


def _precisely(moment: dt.datetime) -> str:
    """Return a moment in UTC with its fraction, which the contract shows here alone."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
