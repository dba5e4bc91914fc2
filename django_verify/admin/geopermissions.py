"""The countries that codes are sent to, as an operator keeps them: rows, quick sets, files."""

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
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_verify.admin import labels
from django_verify.admin.closed import OVERTAKEN
from django_verify.admin.csv_files import CsvAdmin
from django_verify.admin.filters import ChoicesFilter, ServiceFilter, ValueFilter
from django_verify.admin.forms import RADIOS
from django_verify.contact.typed import plain
from django_verify.db import savepoints
from django_verify.fraud import high_risk
from django_verify.models import Account, GeoPermission, VerifyService
from django_verify.models.fraud import ELSEWHERE, EVERY_CHANNEL

if TYPE_CHECKING:
    GeoModelForm = forms.ModelForm[GeoPermission]
    AccountChoice = forms.ModelChoiceField[Account]
    ServiceChoice = forms.ModelChoiceField[VerifyService]
else:
    GeoModelForm = forms.ModelForm
    AccountChoice = ServiceChoice = forms.ModelChoiceField

_Action = GeoPermission.Action
_ACTIONS = {
    _Action.ALLOW: _("Allow: codes are sent"),
    _Action.MONITOR: _("Monitor: codes are sent, and what the guard would refuse is recorded"),
    _Action.BLOCK: _("Block: no codes are sent"),
}


def country_choices() -> list[tuple[str, str]]:
    """Return every country by name, with its calling code."""
    return [(c.region, f"{c.name} (+{c.calling_code})") for c in labels.countries_by_name()]


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
            (ELSEWHERE, labels.country(ELSEWHERE)),
            *country_choices(),
        ],
    )
    channel = forms.ChoiceField(
        label=_("Channel"),
        required=False,
        choices=lambda: [
            (EVERY_CHANNEL, labels.channel_of_rule(EVERY_CHANNEL)),
            *labels.phone_channel_choices(),
        ],
        help_text=_("A row for one channel comes before a row for every channel."),
    )
    action = forms.ChoiceField(
        label=_("Action"), choices=list(_ACTIONS.items()), widget=AdminRadioSelect(RADIOS)
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
        widget=AdminRadioSelect(RADIOS),
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
        listed = ", ".join(sorted(labels.country(code) for code in high_risk.COUNTRIES))
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
        return labels.country(obj.country)

    @admin.display(description=_("channel"), ordering="channel")
    def channel_named(self, obj: GeoPermission) -> Any:
        """The channel."""
        return labels.channel_of_rule(obj.channel)

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
        found = [c.region for c in labels.countries_by_name() if term in c.name.casefold()]
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
            "name": labels.country(obj.country),
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


def only_account() -> dict[str, Any]:
    """Return the initial value of a form's account: the one that there is, if it is alone."""
    found = list(Account.objects.order_by().values_list("sid", flat=True)[:2])
    return {"account": found[0]} if len(found) == 1 else {}
