"""The records, to look at and to cancel: no code, and no full recipient for viewers without leave.

Nothing here may be asked about a column that is not shown: a list that could be filtered or
sorted by the recipient would reveal it digit by digit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.utils.translation.trans_real import parse_accept_lang_header

from django_verify import conf, logs, sids, verifications
from django_verify.admin import figures, filters, pages, words
from django_verify.admin.closed import ClosedAdmin, LookOnly, TabularInline
from django_verify.admin.ranges import RangeAdmin
from django_verify.admin.stretches import REACH, StretchList
from django_verify.contact import countries, phones
from django_verify.db import queries
from django_verify.exceptions import NotFound
from django_verify.messages import channels
from django_verify.models import (
    GuardDecision,
    Verification,
    VerificationAttempt,
    VerifyService,
)
from django_verify.verifications import devices, search, story

#: The confirmation page names each verification, and a form has at most 1000 fields.
CANCEL_AT_ONCE = 500
#: Rows that a search looks through where no index answers it.
SEARCHED = 10_000

#: The parameter by which a search leads to the person's latest verification, where it is one's.
OPEN = "open"
# Of a service, or of an account, there are verifications of several people among so many.
_COMPARED = 50

_NO_COUNTRY = "-"
_Status = Verification.Status


def sees_recipients(request: HttpRequest) -> bool:
    """Whether the viewer may see and search recipients in full."""
    return request.user.has_perm("django_verify.see_full_recipients")


def error_text(request: HttpRequest, text: str) -> str:
    """Return what a provider said; for viewers of masked recipients without what may be one."""
    return text if sees_recipients(request) else logs.without_numbers(text)


def _masked(step: story.Step) -> story.Step:
    """Return a step without the number block that its words may name, nor a number in a fact."""
    said = gettext("Provider's words")
    facts = [
        (name, logs.without_numbers(value) if name == said else phones.mask_within(value))
        for name, value in step.facts
    ]
    return replace(step, text=phones.mask_within(step.text), facts=facts)


class RecordList(StretchList):
    """A list of records; a search that no index answers looks through more rows than a stretch."""

    @property
    def is_partial_search(self) -> bool:
        """Whether each row is compared with what was typed, and so not all rows are."""
        return bool(self.query) and not self.model_admin.is_indexed(self.request, self.query)

    @property
    def searched_since(self) -> Any:
        """When the oldest row was made that was looked at; None where that is all rows."""
        return sids.moment_of(self.edge) if self.edge else None

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


class PersonAdmin(RecordAdmin):
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
        found = self._search(request, search_term)
        if found is None:
            return queryset, False
        if not found.is_whole and _completes(request):
            last = queryset.order_by("-pk").values_list("pk", flat=True)[REACH - 1 : REACH].first()
            queryset = queryset.filter(pk__gte=last) if last else queryset
        return queryset.filter(getattr(found, self.found)), False

    def is_indexed(self, request: HttpRequest, term: str) -> bool:
        """Whether the term is whole; of a part of a recipient each row is looked at."""
        found = self._search(request, term)
        return found is None or found.is_whole

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list; a SID of anything else leads to its own page."""
        term = request.GET.get(SEARCH_VAR, "")
        # A service and an account have pages too, and rows here.
        page = "" if "\0" in term else pages.of_sid(self.admin_site, request, term)
        if page and not self.is_indexed(request, term):
            return HttpResponseRedirect(page)
        return super().changelist_view(request, extra_context)

    def _search(self, request: HttpRequest, term: str) -> search.Found | None:
        """Return the condition; several places of one request ask for the same."""
        known: dict[str, search.Found | None] = vars(request).setdefault("_verify_searches", {})
        if term not in known:
            may_see = sees_recipients(request)
            known[term] = search.find(term, may_see=may_see, regions=_regions(request))
        return known[term]

    @admin.display(description=_("asked"), ordering="pk")
    def created(self, obj: Any) -> Any:
        """When the record was made, which is the order of the keys."""
        return words.ago(obj.date_created, timezone.now())


def _completes(request: HttpRequest) -> bool:
    """Whether a form's field asks for suggestions, which has no stretch of rows."""
    match = request.resolver_match
    return match is not None and match.url_name == "autocomplete"


def _regions(request: HttpRequest) -> list[str]:
    """Return the countries whose numbers this viewer may well write without their code."""
    tags = parse_accept_lang_header(request.headers.get("Accept-Language", "").lower())
    hints = [conf.phone_region(), *(tag.rpartition("-")[2] for tag, _ in tags if "-" in tag)]
    return [region for hint in hints if (region := countries.region(hint))]


def _remarks(row: Verification) -> list[story.Step]:
    """Return what operators have done with a verification and its messages, by the admin's log."""
    messages_of = [pair["attempt_sid"] for pair in row.send_code_attempts]
    of = ContentType.objects.get_for_models(Verification, VerificationAttempt)
    entries = LogEntry.objects.select_related("user").filter(
        Q(content_type=of[Verification], object_id=row.pk)
        | Q(content_type=of[VerificationAttempt], object_id__in=messages_of)
    )
    return [
        story.Step(
            story.State.NOTE,
            f"{entry.user.get_username()}: {entry.get_change_message()}",
            entry.action_time,
        )
        for entry in entries.order_by("-action_time")[: story.MOST]
    ]


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


class AttemptInline(ToldColumns, LookOnly, TabularInline):
    """The messages of a verification, folded below its story."""

    model = VerificationAttempt
    classes = ("collapse",)
    ordering = ("sid",)
    extra = 0
    show_change_link = True

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is shown."""
        return (
            *("channel", "message_status", "sender", *told_fields(request)),
            *("tries", "messages", "due_at", "date_created"),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return all of them."""
        return self.get_fields(request, obj)


@admin.register(Verification)
class VerificationAdmin(PersonAdmin, RangeAdmin):
    """Who was verified, when and how; the recipients are masked for most viewers."""

    actions = ("cancel_selected", "release_selected", "forget_selected")
    change_form_template = "django_verify/admin/verification.html"
    inlines = (AttemptInline,)
    list_filter = (
        filters.StatusFilter,
        filters.ChannelFilter,
        filters.CountryFilter,
        filters.ServiceFilter,
        filters.TestFilter,
        ("date_created", filters.AgeFilter),
        figures.LockedFilter,
    )
    list_parameters = PersonAdmin.list_parameters | {"locked"}
    list_select_related = ("service",)

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with the recipient in full or masked."""
        return (
            "full_recipient" if sees_recipients(request) else "masked_recipient",
            "status_now",
            "created",
            "channel",
            "country",
            "service_name",
            "checks_used",
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page shows."""
        shape = "full" if sees_recipients(request) else "masked"
        return (
            "sid",
            f"{shape}_recipient",
            "status_now",
            "channel",
            "country",
            "service",
            "account",
            "is_test",
            *(("client", "recognized") if obj is None or obj.client else ()),
            "code_length",
            "checks_used",
            "sends_used",
            f"{shape}_amount",
            f"{shape}_payee",
            "date_created",
            "date_updated",
            "expires_at",
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what stands below the story, folded."""
        fields = self.get_fields(request, obj)
        return [(_("Technical fields"), {"fields": fields, "classes": ("collapse",)})]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Render the page with the story of the verification."""
        row, now = context["original"], timezone.now()
        told = story.tell(row, now, _remarks(row))
        steps = told.steps if sees_recipients(request) else list(map(_masked, told.steps))
        context |= {
            "story": told,
            "person": row.to if sees_recipients(request) else channels.mask(row.to),
            "steps": [(step, words.clock(step.moment, now)) for step in steps],
            "others": [self._other(other, now) for other in told.others],
            "decisions": self._decision_lines(request, told.decisions),
            "deeds": self._deeds(request, row, now),
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def number_of(self, obj: Verification) -> str:
        """Return the recipient, where it is a number."""
        return "" if "@" in obj.to else obj.to

    def _deeds(
        self, request: HttpRequest, row: Verification, now: dt.datetime
    ) -> list[tuple[str, str, str, Any]]:
        """Return URL, action, SID and label of what the viewer may do with a verification now.

        The list asks before it does anything. It finds the row by its SID, however old it is.
        """
        locked = row.status == _Status.MAX_ATTEMPTS_REACHED and not row.is_over(now)
        here = f"{self.url_of('changelist')}?q={row.pk}"
        found: list[tuple[str, str, str, Any]] = []
        if self.has_release_permission(request):
            found.append((here, "release_selected", row.pk, _("Unlock the recipient")))
        if self.has_cancel_permission(request) and (
            locked or row.current_status(now) == _Status.PENDING
        ):
            found.append((here, "cancel_selected", row.pk, _("Cancel")))
        last = row.attempts.order_by("-sid").first()
        if last is not None and request.user.has_perm("django_verify.requeue_attempt"):
            last.verification = row
            url = pages.url(self.admin_site, "django_verify_verificationattempt_changelist")
            if url and not story.why_not_again(last, now):
                again = _("Send the message again")
                found.append((f"{url}?q={last.pk}", "requeue_selected", last.pk, again))
        return found

    def _other(self, row: Verification, now: dt.datetime) -> tuple[str, Any, Any, str]:
        """Return URL, channel, status and age of another verification of the same person."""
        url = self.url_of("change", row.pk)
        return (
            url,
            words.channel(row.channel),
            self.status_now(row),
            words.ago(row.date_created, now),
        )

    def _decision_lines(
        self, request: HttpRequest, rows: Sequence[GuardDecision]
    ) -> list[tuple[str, str]]:
        """Return what the guard decided about the recipient, and when."""
        now = timezone.now()
        lines = []
        for row in rows:
            reason = row.reason if sees_recipients(request) else phones.mask_within(row.reason)
            lines.append(
                (f"{row.get_outcome_display()}: {reason}", words.ago(row.date_created, now))
            )
        return lines

    @admin.display(description=_("recipient"))
    def full_recipient(self, obj: Verification) -> str:
        """The recipient."""
        return obj.to

    @admin.display(description=_("recipient"))
    def masked_recipient(self, obj: Verification) -> str:
        """The recipient, most of it hidden."""
        return channels.mask(obj.to)

    @admin.display(description=_("amount"))
    def full_amount(self, obj: Verification) -> str:
        """The amount of the payment that the code approves."""
        return obj.amount or "-"

    @admin.display(description=_("amount"))
    def masked_amount(self, obj: Verification) -> str:
        """The amount, most of it hidden."""
        return channels.mask(obj.amount or "-")

    @admin.display(description=_("payee"))
    def full_payee(self, obj: Verification) -> str:
        """Who is paid."""
        return obj.payee or "-"

    @admin.display(description=_("payee"))
    def masked_payee(self, obj: Verification) -> str:
        """Who is paid, most of it hidden."""
        return channels.mask(obj.payee or "-")

    @admin.display(description=_("status"), ordering="status")
    def status_now(self, obj: Verification) -> str:
        """The status at this moment."""
        return str(_Status(obj.current_status(timezone.now())).label)

    @admin.display(description=_("service"), ordering="service__friendly_name")
    def service_name(self, obj: Verification) -> str:
        """The service."""
        return words.clip(str(obj.service or "-"))

    @admin.display(description=_("checks"), ordering="checks")
    def checks_used(self, obj: Verification) -> str:
        """How many of the allowed guesses were made."""
        return f"{obj.checks}/{obj.max_checks}"

    @admin.display(description=_("sends"), ordering="sends")
    def sends_used(self, obj: Verification) -> str:
        """How many of the allowed messages were sent."""
        return f"{obj.sends}/{obj.max_sends}"

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the viewer may cancel; a permission of its own."""
        return request.user.has_perm("django_verify.cancel_verification")

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Whether the viewer may release recipients; a permission of its own."""
        return request.user.has_perm("django_verify.release_recipient")

    def _opened(self, request: HttpRequest) -> HttpResponse:
        """Lead to the newest verification of the one person that is found, else to the list."""
        term = request.GET.get(SEARCH_VAR, "")
        found = None if "\0" in term else self._search(request, term)
        is_persons = found is not None and found.is_whole
        if is_persons and pages.of_sid(self.admin_site, request, term):
            is_persons = False  # a service's or an account's, however many people those are
        if found is not None and is_persons and self.has_view_permission(request):
            rows = queries.verifications().filter(found.verifications).order_by("-pk")
            newest = list(rows.values_list("pk", "recipient_key")[:_COMPARED])
            if len({key for _, key in newest}) == 1:
                return HttpResponseRedirect(self.url_of("change", newest[0][0]))
        query = urlencode({SEARCH_VAR: term})
        return HttpResponseRedirect(f"{self.url_of('changelist')}?{query}")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list; refuse an action outright where Django would only overlook it."""
        if OPEN in request.GET:
            return self._opened(request)
        asked = request.POST.getlist("action")
        for action, allowed in (
            ("cancel_selected", self.has_cancel_permission),
            ("release_selected", self.has_release_permission),
            ("forget_selected", self.has_release_permission),
        ):
            if action in asked and not allowed(request):
                raise PermissionDenied
        return super().changelist_view(request, extra_context)

    @admin.action(permissions=["cancel"], description=_("Cancel the selected verifications"))
    def cancel_selected(
        self, request: HttpRequest, queryset: QuerySet[Verification]
    ) -> HttpResponse | None:
        """Ask, and then end each verification that is not over."""
        if "confirmed" in request.POST:
            self._cancel(request, self._ticked(request))
            return None
        explanation = _(
            "Their codes stop working at once, and the next start for these recipients makes new"
            " ones. Those that are over already stay as they are. This cannot be undone."
        )
        words = {
            "title": _("Cancel these verifications?"),
            "explanation": explanation,
            "yes": _("Yes, cancel them"),
        }
        return self._confirm(request, queryset, "cancel_selected", words)

    @admin.action(
        permissions=["release"],
        description=_("Unlock the recipients of the selected verifications"),
    )
    def release_selected(
        self, request: HttpRequest, queryset: QuerySet[Verification]
    ) -> HttpResponse | None:
        """Ask, and then forgive the wrong guesses of each recipient, and end what is locked."""
        if "confirmed" in request.POST:
            count = 0
            for row in self._ticked(request):
                verifications.unlock(row)
                self.log_change(request, row, gettext("Unlocked the recipient."))
                count += 1
            text = ngettext("%(count)d recipient was unlocked.", "%(count)d were unlocked.", count)
            self.message_user(request, text % {"count": count}, messages.SUCCESS)
            return None
        explanation = _(
            "The wrong codes that were tried for these recipients no longer count, and what is"
            " locked is canceled: each can ask for a new code at once, of the service's length."
            " Without this, time or an approval does it. Do this only when the owner asks."
        )
        words = {
            "title": _("Unlock these recipients?"),
            "explanation": explanation,
            "yes": _("Yes, unlock them"),
        }
        return self._confirm(request, queryset, "release_selected", words)

    @admin.action(
        permissions=["release"],
        description=_("Forget the known devices of the selected verifications' recipients"),
    )
    def forget_selected(
        self, request: HttpRequest, queryset: QuerySet[Verification]
    ) -> HttpResponse | None:
        """Ask, and then make strangers of the devices that were approved for each recipient."""
        if "confirmed" in request.POST:
            count = 0
            for row in self._ticked(request):
                count += devices.forget(row)
                self.log_change(request, row, gettext("Forgot the known devices."))
            text = ngettext("%(count)d approval was forgotten.", "%(count)d were forgotten.", count)
            self.message_user(request, text % {"count": count}, messages.SUCCESS)
            return None
        explanation = _(
            "Apps and browsers that were approved for these recipients are strangers again, until"
            " their next approval. Do this when a device was lost or a number has a new owner."
        )
        words = {
            "title": _("Forget the known devices?"),
            "explanation": explanation,
            "yes": _("Yes, forget them"),
        }
        return self._confirm(request, queryset, "forget_selected", words)

    def _ticked(self, request: HttpRequest) -> QuerySet[Verification]:
        """Return the rows as they were ticked: a filter would drop those that ended meanwhile."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        chosen = self.get_queryset(request).filter(pk__in=ticked)
        return chosen.select_related("service", "account")

    def _confirm(
        self,
        request: HttpRequest,
        queryset: QuerySet[Verification],
        action: str,
        words: dict[str, Any],
    ) -> HttpResponse | None:
        rows = list(queryset.select_related("service")[: CANCEL_AT_ONCE + 1])
        if len(rows) > CANCEL_AT_ONCE:
            text = _("At most %(limit)d verifications can be chosen at once.")
            self.message_user(request, text % {"limit": CANCEL_AT_ONCE}, messages.ERROR)
            return None
        recipient = self.full_recipient if sees_recipients(request) else self.masked_recipient
        context = {
            **words,
            "action": action,
            "rows": [(row.sid, recipient(row), self.status_now(row)) for row in rows],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return self.page(request, "confirm.html", None, context)

    def _cancel(self, request: HttpRequest, rows: Iterable[Verification]) -> None:
        canceled = over = 0
        for row in rows:
            try:
                service = row.service or VerifyService.pointer("VA", row.account)
                verifications.cancel(service, row.sid)
            except NotFound:
                over += 1
            else:
                canceled += 1
                self.log_change(request, row, gettext("Canceled."))
        done = ngettext(
            "%(count)d verification was canceled.",
            "%(count)d verifications were canceled.",
            canceled,
        ) % {"count": canceled}
        left = ngettext("%(count)d was already over.", "%(count)d were already over.", over) % {
            "count": over
        }
        text = f"{done} {left}" if over else done
        self.message_user(request, text, messages.SUCCESS if canceled else messages.WARNING)
