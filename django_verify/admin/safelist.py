"""The safe list as an operator keeps it: numbers are added and removed, never edited."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.admin.closed import ClosedAdmin
from django_verify.admin.forms import ListedPhoneFormField, listed_number
from django_verify.admin.recipients import RecipientColumns, in_full_and_masked
from django_verify.contact.typed import plain
from django_verify.models import Account, SafeListNumber
from django_verify.models.fields import ListedPhoneField


@admin.register(SafeListNumber)
class SafeListNumberAdmin(RecipientColumns, ClosedAdmin):
    """Numbers that fraud checks let pass, masked for most viewers."""

    explanation = _(
        "Numbers on this list get their codes whatever the countries, the prefix rules, the types"
        " of numbers and the guard say; limits on wrong codes and on spending hold for them too."
    )
    formfield_overrides = {ListedPhoneField: {"form_class": ListedPhoneFormField}}
    list_select_related = ("account",)
    walk = "pk"
    ordering = ("-pk",)
    full_number, masked_number = in_full_and_masked(attrgetter("number"), _("phone number"))
    search_fields = ("sid",)
    search_help_text = _("A SID, or a whole phone number such as +14155550100.")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes: another number is another entry."""
        return False

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with the number in full or masked."""
        return (self.shown(request, "number"), "account", "date_created", "sid")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form of an addition, or what the page shows."""
        if obj is None:
            return ("account", "phone_number")
        return (self.shown(request, "number"), "account", "sid", "date_created")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return everything, once the entry exists."""
        return self.get_fields(request, obj) if obj else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by SID or by a whole number, in any of its spellings."""
        term = plain(search_term)
        if not term:
            return queryset, False
        if sids.is_sid("GN", term):
            return queryset.filter(pk=sids.canonical(term)), False
        try:
            key = listed_number(term).key
        except ValueError:
            return queryset.none(), False
        # The index on numbers begins with the account, so all accounts are named.
        return queryset.filter(account__in=Account.objects.values("pk"), key=key), False
