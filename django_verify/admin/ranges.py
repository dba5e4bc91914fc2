"""Blocking or allowing the numbers around one that an operator looks at, or its whole country."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AdminRadioSelect
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_verify import fraud
from django_verify.admin import labels
from django_verify.admin.closed import ClosedAdmin
from django_verify.admin.forms import RADIOS
from django_verify.admin.prefixrules import read_prefix
from django_verify.contact import phones
from django_verify.models import Account, GeoPermission, PrefixRule
from django_verify.models.fraud import EVERY_CHANNEL

RANGE, COUNTRY = "range", "country"
_Action = PrefixRule.Action
_DAYS = [("1", _("for a day")), ("7", _("for a week")), ("", _("until it is deleted"))]


class RangeForm(forms.Form):
    """What is blocked or allowed, and for how long; only what the viewer may decide is offered."""

    what = forms.ChoiceField(label=_("What"), widget=AdminRadioSelect(RADIOS))
    begin = forms.CharField(
        label=_("Numbers that begin with"),
        required=False,
        max_length=40,
        help_text=_("Fewer digits are more numbers. Read for a range alone."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    action = forms.ChoiceField(
        label=_("Action"),
        widget=AdminRadioSelect(RADIOS),
        choices=[
            (_Action.BLOCK, _("Block: no codes are sent to them, by any channel")),
            (_Action.ALLOW, _("Allow: codes are sent to them, unless the guard is against it")),
        ],
    )
    days = forms.ChoiceField(
        label=_("How long"),
        required=False,
        choices=_DAYS,
        widget=AdminRadioSelect(RADIOS),
        help_text=_("A country's row holds until it is deleted."),
    )
    note = forms.CharField(
        label=_("Note"), required=False, max_length=200, help_text=_("Why, and who asked for it.")
    )

    def __init__(self, *args: Any, choices: list[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        what: Any = self.fields["what"]
        what.choices = choices
        if RANGE not in dict(choices):
            for name in ("begin", "days", "note"):
                del self.fields[name]

    def clean_begin(self) -> str:
        """Return the prefix as it is stored."""
        typed: str = self.cleaned_data["begin"]
        return read_prefix(typed) if self.data.get("what") == RANGE else ""


class RangeAdmin(ClosedAdmin):
    """Rows about one number of an account, from which its range or its country is decided about."""

    def get_urls(self) -> list[URLPattern]:
        """Return the pages, with the one that decides."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_range"
        view = self.admin_site.admin_view(self.range_view)
        return [path("<path:object_id>/range/", view, name=name), *super().get_urls()]

    def number_of(self, obj: Any) -> str:
        """Return the number that a row is about, in E.164; empty for an e-mail address."""
        raise NotImplementedError

    def object_links(self, request: HttpRequest, obj: Any) -> list[tuple[str, Any]]:
        """Return the buttons, with the one that leads to the page."""
        links = super().object_links(request, obj)
        if self._choices(request, obj):
            links.append((self.url_of("range", obj.pk), _("Block or allow numbers like this")))
        return links

    def range_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what is to be decided, and write it. Raises PermissionDenied and Http404."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        choices = self._choices(request, obj)
        if not (choices and self.has_view_permission(request, obj)):
            raise PermissionDenied
        posted = request.POST if request.method == "POST" else None
        begin = phones.prefix(self.number_of(obj)) if RANGE in dict(choices) else ""
        initial = {"what": choices[0][0], "action": _Action.BLOCK, "begin": begin, "days": "1"}
        form = RangeForm(posted, initial=initial, choices=choices)
        if form.is_valid():
            self._decide(request, obj, form.cleaned_data)
            return HttpResponseRedirect(self.url_of("change", obj.pk))
        context = {
            "title": _("Block or allow numbers like this"),
            "form": form,
            "intro": _(
                "What you decide here holds in every service of the account, within 5 seconds, and"
                " for codes that are asked for from then on. You find it under “Prefix rules” or"
                " “Countries” again. What the guard has closed on its evidence stays closed to"
                " numbers that you allow: open it under “Closed ranges”, or put a number on the"
                " safe list."
            ),
            "failure": _("Nothing was saved."),
            "yes": _("Save"),
        }
        return self.page(request, "form_page.html", obj, context)

    def _choices(self, request: HttpRequest, obj: Any) -> list[tuple[str, Any]]:
        """Return what this viewer may decide about; a range tells most of the number."""
        number, may = self.number_of(obj), request.user.has_perm
        found: list[tuple[str, Any]] = []
        if not number:
            return found
        if may("django_verify.see_full_recipients") and _may(request, "prefixrule"):
            found.append((RANGE, _("the numbers that begin as below")))
        if obj.country and _may(request, "geopermission"):
            country = {"country": labels.country(obj.country)}
            found.append((COUNTRY, _("all numbers of %(country)s") % country))
        return found

    def _decide(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        account = Account.objects.get(pk=obj.account_id)
        is_range = values["what"] == RANGE
        row = _rule(account, values) if is_range else _permission(account, obj.country, values)
        fraud.forget()
        self.log_change(request, row, gettext("Decided from a record: %(row)s.") % {"row": row})
        is_block = values["action"] == _Action.BLOCK
        # Others may read this who do not see the number.
        if is_range:
            done = gettext("Blocked its range.") if is_block else gettext("Allowed its range.")
        else:
            done = gettext("Blocked its country.") if is_block else gettext("Allowed its country.")
        self.log_change(request, obj, done)
        self.message_user(request, f"{done} ({row})", messages.SUCCESS)


def _may(request: HttpRequest, model: str) -> bool:
    """Whether the viewer may add rows of a list, and change one that is there already."""
    return all(request.user.has_perm(f"django_verify.{verb}_{model}") for verb in ("add", "change"))


def _rule(account: Account, values: dict[str, Any]) -> PrefixRule:
    """Write the rule of a range; one of the same range and account is replaced."""
    key = {"prefix": values["begin"], "account": account, "channels": EVERY_CHANNEL}
    row = PrefixRule.objects.filter(**key).first() or PrefixRule(**key)
    days = values["days"]
    row.ends_at = timezone.now() + dt.timedelta(days=int(days)) if days else None
    row.action, row.note = values["action"], values["note"]
    row.save()
    return row


def _permission(account: Account, country: str, values: dict[str, Any]) -> GeoPermission:
    """Write the row of a country for all services of an account."""
    row, _is_new = GeoPermission.objects.update_or_create(
        scope=GeoPermission.scope_of(account.pk, None),
        country=country,
        channel=EVERY_CHANNEL,
        defaults={"action": values["action"]},
        create_defaults={"account": account, "action": values["action"]},
    )
    return row
