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

from django_verify import logs, verifications
from django_verify.admin import figures, filters, labels, lists, pages
from django_verify.admin.closed import LookOnly, TabularInline
from django_verify.admin.ranges import RangeAdmin
from django_verify.admin.recipients import in_full_and_masked, sees_recipients
from django_verify.admin.records import PersonAdmin, ToldColumns, told_fields
from django_verify.contact import phones
from django_verify.db import queries
from django_verify.exceptions import NotFound
from django_verify.models import (
    GuardDecision,
    Verification,
    VerificationAttempt,
    VerifyService,
)
from django_verify.verifications import devices, story

#: The confirmation page names each verification, and a form has at most 1000 fields.
CANCEL_AT_ONCE = 500
#: The parameter by which a search leads to the person's latest verification, where it is one's.
OPEN = "open"
# Of a service, or of an account, there are verifications of several people among so many.
_COMPARED = 50

_NO_COUNTRY = "-"
_Status = Verification.Status


def _masked(step: story.Step) -> story.Step:
    """Return a step without the number block that its words may name, nor a number in a fact."""
    said = gettext("Provider's words")
    facts = [
        (name, logs.without_numbers(value) if name == said else phones.mask_within(value))
        for name, value in step.facts
    ]
    return replace(step, text=phones.mask_within(step.text), facts=facts)


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
    full_amount, masked_amount = in_full_and_masked(lambda row: row.amount or "-", _("amount"))
    full_payee, masked_payee = in_full_and_masked(lambda row: row.payee or "-", _("payee"))

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with the recipient in full or masked."""
        return (
            self.shown(request),
            "status_now",
            "created",
            "channel",
            "country",
            "service_name",
            "checks_used",
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page shows."""
        return (
            "sid",
            self.shown(request),
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
            self.shown(request, "amount"),
            self.shown(request, "payee"),
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
            "person": getattr(self, self.shown(request))(row),
            "steps": [(step, labels.clock(step.moment, now)) for step in steps],
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
            labels.channel(row.channel),
            self.status_now(row),
            labels.ago(row.date_created, now),
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
                (f"{row.get_outcome_display()}: {reason}", labels.ago(row.date_created, now))
            )
        return lines

    @admin.display(description=_("status"), ordering="status")
    def status_now(self, obj: Verification) -> str:
        """The status at this moment."""
        return str(_Status(obj.current_status(timezone.now())).label)

    @admin.display(description=_("service"), ordering="service__friendly_name")
    def service_name(self, obj: Verification) -> str:
        """The service."""
        return lists.clip(str(obj.service or "-"))

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
        found = None if "\0" in term else self.searched(request, term)
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
        recipient = getattr(self, self.shown(request))
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
