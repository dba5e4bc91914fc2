"""The guard's lists as an operator keeps them: countries, and rules for ranges of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminRadioSelect
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, router
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_verify.admin.closed import OVERTAKEN
from django_verify.admin.csv_files import CsvAdmin
from django_verify.admin.filters import ChoicesFilter, ServiceFilter, ValueFilter
from django_verify.contact import countries, phones
from django_verify.contact.typed import plain
from django_verify.db import savepoints
from django_verify.fraud import high_risk
from django_verify.messages.channels import label
from django_verify.models import Account, GeoPermission, PrefixRule, VerifyService
from django_verify.models.fraud import CHANNELS, ELSEWHERE, EVERY_CHANNEL

if TYPE_CHECKING:
    GeoModelForm = forms.ModelForm[GeoPermission]
    RuleModelForm = forms.ModelForm[PrefixRule]
    AccountChoice = forms.ModelChoiceField[Account]
    ServiceChoice = forms.ModelChoiceField[VerifyService]
else:
    GeoModelForm = RuleModelForm = forms.ModelForm
    AccountChoice = ServiceChoice = forms.ModelChoiceField

_Action = GeoPermission.Action
_ACTIONS = {
    _Action.ALLOW: _("Allow: codes are sent"),
    _Action.MONITOR: _("Monitor: codes are sent, and what the guard would refuse is recorded"),
    _Action.BLOCK: _("Block: no codes are sent"),
}

# The admin's style sheet gives the labels of these room.
_RADIOS = {"class": "radiolist"}


def _language() -> str:
    return get_language() or "en"


def country_name(code: str) -> str:
    """Return what people call the country of a permission."""
    return (
        gettext("All other countries") if code == ELSEWHERE else countries.name(code, _language())
    )


def country_choices() -> list[tuple[str, str]]:
    """Return every country by name, with its calling code."""
    return [(c.region, f"{c.name} (+{c.calling_code})") for c in countries.choices(_language())]


def channel_name(channel: str) -> Any:
    """Return what people call the channel of a permission."""
    return label(channel) if channel else _("Every channel")


def channel_choices() -> list[tuple[str, Any]]:
    """Return the channels that reach a phone number."""
    return [(name, label(name)) for name in CHANNELS]


class ServiceField(ServiceChoice):
    """A service, whose account tells it from others of its name; none stands for all of them."""

    def __init__(self, **kwargs: Any) -> None:
        rows = VerifyService.objects.select_related("account").order_by("friendly_name")
        empty = _("All services of the account")
        super().__init__(rows, empty_label=empty, required=False, label=_("Service"), **kwargs)

    def label_from_instance(self, obj: VerifyService) -> str:
        """Return the service's name and its account's."""
        return f"{obj.friendly_name} ({obj.account})"


class GeoPermissionForm(GeoModelForm):
    """A country and what is done with it, as choices."""

    service = ServiceField(
        help_text=_("A service's own row comes before the row for all services.")
    )
    country = forms.ChoiceField(
        label=_("Country"),
        choices=lambda: [
            ("", "---------"),
            (ELSEWHERE, gettext("All other countries")),
            *country_choices(),
        ],
    )
    channel = forms.ChoiceField(
        label=_("Channel"),
        required=False,
        choices=lambda: [(EVERY_CHANNEL, channel_name(EVERY_CHANNEL)), *channel_choices()],
        help_text=_("A row for one channel comes before a row for every channel."),
    )
    action = forms.ChoiceField(
        label=_("Action"), choices=list(_ACTIONS.items()), widget=AdminRadioSelect(_RADIOS)
    )

    def clean(self) -> Any:
        """Refuse a second row for the same, which has no field of its own to complain."""
        values = super().clean() or self.cleaned_data
        account, service = values.get("account"), values.get("service")
        if account is not None and "country" in values and "channel" in values:
            self.instance.scope = GeoPermission.scope_of(account.pk, service and service.pk)
            same = GeoPermission.objects.filter(
                scope=self.instance.scope, country=values["country"], channel=values["channel"]
            )
            if same.exclude(pk=self.instance.pk).exists():
                text = _("There is a row for this country and channel already: change that one.")
                raise ValidationError(text)
        return values


class ScopeForm(forms.Form):
    """Whose countries are set at once, and to what."""

    ONLY, ALL_BUT, EVERY = "only", "all-but", "every"

    account = AccountChoice(Account.objects.order_by("friendly_name"), label=_("Account"))
    service = ServiceField()
    what = forms.ChoiceField(
        label=_("Send codes to"),
        widget=AdminRadioSelect(_RADIOS),
        choices=[
            (ONLY, _("only the countries chosen below")),
            (ALL_BUT, _("all but the high-risk countries")),
            (EVERY, _("every country")),
        ],
    )
    chosen = forms.MultipleChoiceField(
        label=_("Countries"),
        required=False,
        choices=country_choices,
        widget=forms.SelectMultiple(attrs={"size": 14}),
        help_text=_("Hold Ctrl, or Command on a Mac, to choose several."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        listed = ", ".join(sorted(country_name(code) for code in high_risk.COUNTRIES))
        text = _("High-risk countries, as of %(day)s: %(names)s.")
        self.fields["what"].help_text = text % {"day": high_risk.AS_OF, "names": listed}

    def clean(self) -> Any:
        """Refuse another account's service, and a list of no countries."""
        values = super().clean() or self.cleaned_data
        account, service = values.get("account"), values.get("service")
        if account and service and service.account_id != account.pk:
            self.add_error("service", _("This service belongs to another account."))
        if values.get("what") == self.ONLY and not values.get("chosen"):
            self.add_error("chosen", _("Choose at least one country."))
        return values

    def rows(self) -> list[GeoPermission]:
        """Return what the chosen set consists of, unsaved."""
        what = self.cleaned_data["what"]
        actions: dict[str, str] = {}
        if what == self.ONLY:
            actions = {ELSEWHERE: _Action.BLOCK}
            actions |= dict.fromkeys(self.cleaned_data["chosen"], _Action.ALLOW)
        elif what == self.ALL_BUT:
            actions = dict.fromkeys(sorted(high_risk.COUNTRIES), _Action.BLOCK)
        account, service = self.cleaned_data["account"], self.cleaned_data["service"]
        return [
            GeoPermission(
                account=account, service=service, country=code, action=action, scope=self.scope
            )
            for code, action in actions.items()
        ]

    @property
    def scope(self) -> str:
        """The SID of what the set holds for."""
        account, service = self.cleaned_data["account"], self.cleaned_data["service"]
        return GeoPermission.scope_of(account.pk, service and service.pk)


class ActionFilter(ChoicesFilter):
    """By what is done."""

    title = _("action")
    parameter_name = column = "action"
    choices_of = _Action


class AccountFilter(ValueFilter):
    """By account."""

    title = _("account")
    parameter_name = column = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return every account."""
        return Account.objects.order_by("friendly_name").values_list("sid", "friendly_name")


@admin.register(GeoPermission)
class GeoPermissionAdmin(CsvAdmin):
    """Which countries codes are sent to."""

    form = GeoPermissionForm
    explanation = _(
        "Says which countries codes are sent to: what has no row here is allowed, a service's own"
        " rows come before its account's, and a change holds everywhere within 5 seconds."
    )
    fields = ("account", "service", "country", "channel", "action")
    list_display = ("country_named", "channel_named", "action", "account", "service")
    list_filter = (ActionFilter, AccountFilter, ServiceFilter)
    list_parameters = frozenset({"action", "account", "service"})
    list_select_related = ("account", "service")
    search_fields = ("country",)
    search_help_text = _("A country's name or its two letters.")
    csv_columns = ("account", "service", "country", "channel", "action", "name")
    csv_required = ("account", "country", "action")
    csv_help = _(
        "Adds and replaces rows, and deletes none. The first line names the columns: account and"
        " service by their SIDs (an empty service stands for all of them), country by its two"
        " letters or * for all others, channel (empty: every channel), and action: allow, monitor"
        " or block. An exported file has this form."
    )

    @admin.display(description=_("country"), ordering="country")
    def country_named(self, obj: GeoPermission) -> str:
        """The country."""
        return country_name(obj.country)

    @admin.display(description=_("channel"), ordering="channel")
    def channel_named(self, obj: GeoPermission) -> Any:
        """The channel."""
        return channel_name(obj.channel)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Choose the account where there is one alone."""
        return {**only_account(), "action": _Action.BLOCK} | super().get_changeform_initial_data(
            request
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the country's name in the viewer's language, or by its code."""
        term = plain(search_term).casefold()
        if not term:
            return queryset, False
        found = [c.region for c in countries.choices(_language()) if term in c.name.casefold()]
        return queryset.filter(
            country__in=[*found, term.upper()[:2]] if len(term) == 2 else found
        ), False

    def get_urls(self) -> list[URLPattern]:
        """Return the pages, with that of the quick sets."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_set"
        return [
            path("set/", self.admin_site.admin_view(self.set_view), name=name),
            *super().get_urls(),
        ]

    def list_links(self, request: HttpRequest) -> list[tuple[str, Any]]:
        """Return the buttons above the list."""
        links = super().list_links(request)
        if self._may_set(request):
            links.insert(0, (self.url_of("set"), _("Set all countries")))
        return links

    def set_view(self, request: HttpRequest) -> HttpResponse:
        """Replace the countries of an account or a service. Raises PermissionDenied."""
        if not self._may_set(request):
            raise PermissionDenied
        form = ScopeForm(request.POST if request.method == "POST" else None, initial=only_account())
        if form.is_valid():
            try:
                count = self._replace(request, form)
            except IntegrityError:
                form.add_error(None, OVERTAKEN)
            else:
                text = ngettext("%(count)d row saved.", "%(count)d rows saved.", count)
                self.message_user(request, text % {"count": count}, messages.SUCCESS)
                return HttpResponseRedirect(self.url_of("changelist"))
        context = {
            "title": _("Set all countries"),
            "form": form,
            "intro": _(
                "This replaces all rows that the account, or the service, has in the list of"
                " countries."
            ),
            "failure": _("Nothing was saved."),
            "yes": _("Replace"),
        }
        return self.page(request, "form_page.html", None, context)

    def csv_row(self, obj: GeoPermission) -> Mapping[str, str]:
        """Return a row's cells; the name is for people."""
        return {
            "account": obj.account_id,
            "service": obj.service_id or "",
            "country": obj.country,
            "channel": obj.channel,
            "action": obj.action,
            "name": country_name(obj.country),
        }

    def csv_object(self, line: Mapping[str, str]) -> GeoPermission:
        """Return the row of a line. Raises ValidationError."""
        account, service = line["account"], line["service"] or None
        country, channel = line["country"].upper(), line["channel"].lower()
        scope = GeoPermission.scope_of(account, service)
        known = GeoPermission.objects.filter(scope=scope, country=country, channel=channel).first()
        row = known or GeoPermission(scope=scope, country=country, channel=channel)
        row.action = line["action"].lower()
        row.account_id = account
        row.service_id = service  # type: ignore[assignment]  # it may be NULL
        return row

    def _may_set(self, request: HttpRequest) -> bool:
        return self.has_delete_permission(request) and self._may_import(request)

    def _replace(self, request: HttpRequest, form: ScopeForm) -> int:
        rows = form.rows()
        using = router.db_for_write(GeoPermission)
        with savepoints.atomic(using):
            former = GeoPermission.objects.using(using).filter(scope=form.scope)
            former.delete()
            GeoPermission.objects.using(using).bulk_create(rows)
        owner = form.cleaned_data["service"] or form.cleaned_data["account"]
        self.log_change(request, owner, gettext("The countries were replaced."))
        return len(rows)


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
        widget=AdminRadioSelect(_RADIOS),
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
        choices=channel_choices,
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
        return ", ".join(str(channel_name(name)) for name in names)

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


def only_account() -> dict[str, Any]:
    """Return the initial value of a form's account: the one that there is, if it is alone."""
    found = list(Account.objects.order_by().values_list("sid", flat=True)[:2])
    return {"account": found[0]} if len(found) == 1 else {}


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
