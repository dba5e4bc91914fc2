"""Lists of records, which the verbs alone write; one searches for a person by what people have.

Nothing here may be asked about a column that is not shown: a list that could be filtered or
sorted by the recipient would reveal it digit by digit.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation.trans_real import parse_accept_lang_header

from django_verify import conf, logs, sids
from django_verify.admin import labels, pages
from django_verify.admin.closed import ClosedAdmin, LookOnly
from django_verify.admin.recipients import RecipientColumns, sees_recipients
from django_verify.admin.stretches import REACH, StretchList
from django_verify.contact import countries, phones
from django_verify.models import VerificationAttempt
from django_verify.verifications import search

#: Rows that a search looks through where no index answers it.
SEARCHED = 10_000


class RecordList(StretchList):
    """A list of records; a search that no index answers looks through more rows than a stretch."""

    @property
    def is_partial_search(self) -> bool:
        """Whether each row is compared with what was typed, and so not all rows are."""
        return bool(self.query) and not self.model_admin.is_indexed(self.request, self.query)

    @property
    def searched_since(self) -> str:
        """When the oldest row was made that was looked at; empty where that is all rows."""
        return labels.absolute(sids.moment_of(self.edge)) if self.edge else ""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(request, *args, **kwargs)

    def reach(self) -> int:
        """Return how many rows are looked at."""
        return SEARCHED if self.is_partial_search else super().reach()


class RecordAdmin(LookOnly, ClosedAdmin):
    """Rows that the verbs alone write."""

    list_parameters = frozenset(
        {
            *("status", "message_status", "channel", "country", "service", "test"),
            *("date_created__gte", "date_created__lt"),
        }
    )
    # Django shows a search box only where this is not empty; `get_search_results` does the work.
    search_fields = ("sid",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return every field that is shown."""
        return self.get_fields(request, obj)


class PersonAdmin(RecipientColumns, RecordAdmin):
    """Rows of a recipient; `found` names the condition of a search for them."""

    walk = "pk"
    search_help_text = _(
        "A phone number as people write it, its last four digits, an e-mail address, a SID, or a"
        " provider's message id."
    )
    #: The attribute of `search.Found` that is about these rows.
    found = "verifications"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Any]:
        """Return the list's class."""
        return RecordList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by what a person has: see `verifications.search`."""
        found = self.searched(request, search_term)
        if found is None:
            return queryset, False
        if not found.is_whole and _completes(request):
            last = queryset.order_by("-pk").values_list("pk", flat=True)[REACH - 1 : REACH].first()
            queryset = queryset.filter(pk__gte=last) if last else queryset
        return queryset.filter(getattr(found, self.found)), False

    def is_indexed(self, request: HttpRequest, term: str) -> bool:
        """Whether the term is whole; of a part of a recipient each row is looked at."""
        found = self.searched(request, term)
        return found is None or found.is_whole

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list; a SID of anything else leads to its own page."""
        term = request.GET.get(SEARCH_VAR, "")
        # A service and an account have pages too, and rows here.
        page = "" if "\0" in term else pages.of_sid(self.admin_site, request, term)
        if page and not self.is_indexed(request, term):
            return HttpResponseRedirect(page)
        return super().changelist_view(request, extra_context)

    def searched(self, request: HttpRequest, term: str) -> search.Found | None:
        """Return the condition; several places of one request ask for the same."""
        known: dict[str, search.Found | None] = vars(request).setdefault("_verify_searches", {})
        if term not in known:
            may_see = sees_recipients(request)
            known[term] = search.find(term, may_see=may_see, regions=_regions(request))
        return known[term]

    @admin.display(description=_("asked"), ordering="pk")
    def created(self, obj: Any) -> Any:
        """When the record was made, which is the order of the keys."""
        return labels.ago(obj.date_created, timezone.now())


def _completes(request: HttpRequest) -> bool:
    """Whether a form's field asks for suggestions, which has no stretch of rows."""
    match = request.resolver_match
    return match is not None and match.url_name == "autocomplete"


def _regions(request: HttpRequest) -> list[str]:
    """Return the countries whose numbers this viewer may well write without their code."""
    tags = parse_accept_lang_header(request.headers.get("Accept-Language", "").lower())
    hints = [conf.phone_region(), *(tag.rpartition("-")[2] for tag, _ in tags if "-" in tag)]
    return [region for hint in hints if (region := countries.region(hint))]


def told_fields(request: HttpRequest) -> tuple[str, ...]:
    """Return the fields of what the provider said of a message, in full or masked."""
    shape = "" if sees_recipients(request) else "masked_"
    return (f"{shape}provider_sid", "error_code", f"{shape}error_message")


class ToldColumns:
    """What a provider said of a message, for viewers who see no recipients."""

    @admin.display(description=_("provider's message id"))
    def masked_provider_sid(self, obj: VerificationAttempt) -> str:
        """The id, without the number that stands in some."""
        return phones.mask_within(obj.provider_sid) or "-"

    @admin.display(description=_("error"))
    def masked_error_message(self, obj: VerificationAttempt) -> str:
        """The text, without what may be a recipient."""
        return logs.without_numbers(obj.error_message) or "-"
