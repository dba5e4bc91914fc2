"""Templates: the messages that a caller may choose from; they are written in the admin."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from django_verify.api import wire
from django_verify.api.mixins import List
from django_verify.api.resource import PageParameters, Resource
from django_verify.models import Template
from django_verify.rest.answers import Answer, computed


class TemplateFilter(PageParameters):
    """Of the list."""

    FriendlyName = wire.Text(required=False)


class PreciseTime(serializers.DateTimeField):
    """A time in UTC with its fraction, which the contract shows here alone."""

    def convert(self, moment: dt.datetime) -> str:
        """Return the text."""
        return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class TranslationAnswer(Answer):
    """A translation of a template."""

    is_default_translation = serializers.BooleanField(source="is_default")
    status = serializers.CharField()
    locale = serializers.CharField()
    text = serializers.CharField()
    date_updated = PreciseTime()
    date_created = PreciseTime()


class TemplateAnswer(Answer):
    """A template; a ready-made one is shown as the caller's own."""

    sid = wire.SidOf("HJ")
    account_sid = wire.CallersSid()
    friendly_name = serializers.CharField()
    channels = serializers.ListField(child=serializers.CharField())
    translations = computed(
        serializers.DictField(child=TranslationAnswer()),
        lambda template, view: {
            row.locale: TranslationAnswer.represent(row) for row in template.translations.all()
        },
    )


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
