"""Rules for ranges of numbers, as an operator keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminRadioSelect
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from django_verify.admin import labels
from django_verify.admin.csv_files import CsvAdmin
from django_verify.admin.filters import ChoicesFilter
from django_verify.admin.forms import RADIOS
from django_verify.contact import phones
from django_verify.contact.typed import plain
from django_verify.models import PrefixRule
from django_verify.models.fraud import CHANNELS, EVERY_CHANNEL

if TYPE_CHECKING:
    RuleModelForm = forms.ModelForm[PrefixRule]
else:
    RuleModelForm = forms.ModelForm


class PrefixRuleForm(RuleModelForm):
    """A rule; the prefix is read as people type it, the channels are ticked."""

    prefix = forms.CharField(  # type: ignore[assignment]  # no attribute is made of it
        label=_("Numbers that begin with"),
        max_length=40,
        help_text=_("+, the country code and the digits that the range has in common."),
        widget=forms.TextInput(attrs={"class": "vTextField", "placeholder": "+4490987"}),
    )
    action = forms.ChoiceField(
        label=_("Action"),
        widget=AdminRadioSelect(RADIOS),
        choices=[
            (
                PrefixRule.Action.ALLOW,
                _("Allow: codes are sent, whatever the country and the type"),
            ),
            (PrefixRule.Action.BLOCK, _("Block: no codes are sent")),
        ],
    )
    channels = forms.MultipleChoiceField(
        label=_("Channels"),
        required=False,
        choices=labels.phone_channel_choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None: every channel."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "channels" in self.fields:
            self.initial["channels"] = self.instance.channels.split()

    def clean_prefix(self) -> str:
        """Return the prefix as it is stored."""
        return read_prefix(self.cleaned_data["prefix"])

    def clean_channels(self) -> str:
        """Return the channels as they are stored."""
        return " ".join(name for name in CHANNELS if name in self.cleaned_data["channels"])

    def clean(self) -> Any:
        """Refuse a second rule for the same, which would go on when the first one is deleted."""
        values = super().clean() or self.cleaned_data
        if {"prefix", "account", "channels"} <= values.keys():
            same = PrefixRule.objects.filter(
                prefix=values["prefix"], account=values["account"], channels=values["channels"]
            )
            if same.exclude(pk=self.instance.pk).exists():
                text = _("There is a rule for this prefix and these channels already: change it.")
                raise ValidationError(text)
        return values


class RuleActionFilter(ChoicesFilter):
    """By what is done."""

    title = _("action")
    parameter_name = column = "action"
    choices_of = PrefixRule.Action


class StateFilter(admin.SimpleListFilter):
    """By whether a rule has ended."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return both."""
        return [("live", _("in force")), ("over", _("ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rules of the chosen state."""
        over = queryset.filter(ends_at__lte=timezone.now())
        if self.value() == "over":
            return over
        return queryset.exclude(pk__in=over.values("pk")) if self.value() == "live" else queryset


@admin.register(PrefixRule)
class PrefixRuleAdmin(CsvAdmin):
    """What is done with ranges of numbers."""

    form = PrefixRuleForm
    explanation = _(
        "A rule decides about numbers that begin in one way before their country and type are"
        " looked at: the longest one holds, within 5 seconds, until it ends."
    )
    fields = ("prefix", "action", "channels", "account", "note", "ends_at")
    list_display = (
        "prefix",
        "action",
        "channels_named",
        "account_named",
        "note",
        "ends_at",
        "is_live",
    )
    list_filter = (RuleActionFilter, StateFilter)
    list_parameters = frozenset({"action", "state"})
    list_select_related = ("account",)
    search_fields = ("prefix", "note")
    search_help_text = _("A number, or the beginning of one, or a word of the note.")
    csv_columns = ("prefix", "action", "channels", "account", "note", "ends")
    csv_required = ("prefix", "action")
    csv_help = _(
        "Adds and replaces rules, and deletes none. The first line names the columns: prefix, the"
        " country code and digits without +; action: allow or block; channels, separated by spaces"
        " (empty: every channel); account by its SID (empty: every account); note; and ends, such"
        " as 2026-12-31 18:00 (empty: no end). An exported file has this form."
    )

    @admin.display(description=_("channels"))
    def channels_named(self, obj: PrefixRule) -> str:
        """The channels."""
        names = obj.channels.split() or [EVERY_CHANNEL]
        return ", ".join(str(labels.channel_of_rule(name)) for name in names)

    @admin.display(description=_("account"))
    def account_named(self, obj: PrefixRule) -> Any:
        """The account."""
        return obj.account or _("every account")

    @admin.display(description=_("in force"), boolean=True)
    def is_live(self, obj: PrefixRule) -> bool:
        """Whether it has not ended."""
        return not obj.is_over(timezone.now())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the rules that a number falls under and those that begin with it, or by note."""
        term = plain(search_term)
        try:
            prefix = read_prefix(term)
        except ValidationError:
            return queryset.filter(note__icontains=term) if term else queryset, False
        shorter = [prefix[:length] for length in range(2, len(prefix) + 1)]
        found = queryset.filter(prefix__startswith=prefix) | queryset.filter(prefix__in=shorter)
        return found, False

    def csv_row(self, obj: PrefixRule) -> Mapping[str, str]:
        """Return a rule's cells; without +, no spreadsheet takes the prefix for a formula."""
        return {
            "prefix": obj.prefix.removeprefix("+"),
            "action": obj.action,
            "channels": obj.channels,
            "account": obj.account_id or "",
            "note": obj.note,
            "ends": obj.ends_at.isoformat(sep=" ") if obj.ends_at else "",
        }

    def csv_object(self, line: Mapping[str, str]) -> PrefixRule:
        """Return the rule of a line: one of the same prefix, account and channels is replaced."""
        prefix, account = read_prefix("+" + line["prefix"].lstrip("+")), line["account"] or None
        named = line["channels"].lower().split()
        channels = " ".join(sorted(named, key=_place))
        same = PrefixRule.objects.filter(prefix=prefix, account_id=account, channels=channels)
        row = same.first() or PrefixRule(prefix=prefix, account_id=account, channels=channels)
        row.action, row.note = line["action"].lower(), line["note"]
        row.ends_at = _moment(line["ends"])
        return row


def read_prefix(text: str) -> str:
    """Return the beginning of numbers as it is stored. Raises ValidationError."""
    try:
        return phones.read_prefix(text)
    except ValueError:
        sentence = _("+ and the first digits of the numbers, such as +4490987.")
        raise ValidationError(sentence) from None


def _place(name: str) -> int:
    return CHANNELS.index(name) if name in CHANNELS else len(CHANNELS)


def _moment(text: str) -> Any:
    if not text:
        return None
    try:
        found = parse_datetime(text if ":" in text else f"{text} 00:00")
    except ValueError:
        found = None
    if found is None:
        raise ValidationError(_("“%(text)s” is no date with a time."), params={"text": text})
    return timezone.make_aware(found) if timezone.is_naive(found) else found
