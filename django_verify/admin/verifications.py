"""The records, to look at and to cancel: no code, and no full recipient for viewers without leave.

Nothing here may be asked about a column that is not shown: a list that could be filtered or
sorted by the recipient would reveal it digit by digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_verify import sids, verifications
from django_verify.admin import filters
from django_verify.admin.closed import ClosedAdmin, LookOnly, TabularInline
from django_verify.admin.forms import key_of
from django_verify.contact import emails, phones
from django_verify.contact.typed import email as typed_email
from django_verify.contact.typed import joined, plain
from django_verify.exceptions import NotFound
from django_verify.messages import channels
from django_verify.models import (
    Account,
    GuardDecision,
    Verification,
    VerificationAttempt,
    VerifyService,
)
from django_verify.verifications import devices

#: The confirmation page names each verification, and a form has at most 1000 fields.
CANCEL_AT_ONCE = 500

_NO_COUNTRY = "-"
_Status = Verification.Status


def sees_recipients(request: HttpRequest) -> bool:
    """Whether the viewer may see and search recipients in full."""
    return request.user.has_perm("django_verify.see_full_recipients")


def _listed(lines: Iterable[str]) -> str:
    return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines)) or "-"


class RecordAdmin(LookOnly, ClosedAdmin):
    """Rows that the verbs alone write; `sid_paths` and what follows are columns to search by."""

    walk = "pk"
    list_parameters = frozenset(
        {
            *("status", "message_status", "channel", "country", "service", "test"),
            *("date_created__gte", "date_created__lt"),
        }
    )
    # Django shows a search box only where this is not empty; `get_search_results` does the work.
    search_fields = ("sid",)
    search_help_text = _(
        "A SID, or a whole phone number or e-mail address. Viewers of full recipients may also"
        " search the rows below by how a recipient begins."
    )
    sid_paths: dict[str, str] = {}
    to = "to"
    recipient_key = "recipient_key"
    accounts = "account__in"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return every field that is shown."""
        return self.get_fields(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by SID or by recipient: a whole one, or its beginning for those who may see it."""
        term = plain(search_term)
        if not term:
            return queryset, False
        return queryset.filter(self.of_sid(term) or self.about(request, term)), False

    def is_indexed(self, request: HttpRequest, term: str) -> bool:
        """Whether the term is whole; of a beginning each row is looked at."""
        return bool(self.of_sid(plain(term)) or _of_recipient(self, plain(term)))

    def of_sid(self, term: str) -> Q | None:
        """Return the condition for a SID; None for what is none."""
        sid = term[:2].upper() + term[2:]
        for prefix, path in self.sid_paths.items():
            if sids.is_sid(prefix, sid):
                return Q(**{path: sids.canonical(sid)})
        return None

    @admin.display(description=_("created"), ordering="pk")
    def created(self, obj: Any) -> Any:
        """When the record was made, which is the order of the keys."""
        return obj.date_created

    def about(self, request: HttpRequest, term: str) -> Q:
        """Return the condition for a term that is no SID."""
        if whole := _of_recipient(self, term):
            return whole
        if sees_recipients(request):
            return Q(**{f"{self.to}__istartswith": _spelled(term)})
        return Q(pk__in=())


def _of_recipient(view: RecordAdmin, term: str) -> Q | None:
    """Return the condition for a whole number or mailbox, in whatever spelling."""
    key = key_of(_spelled(term)) or key_of(term)
    if not key:
        return None
    # The index on recipients begins with the account, so all accounts are named.
    found = Q(**{view.accounts: Account.objects.values("pk"), view.recipient_key: key})
    if "@" not in term or emails.is_mailbox(key):
        return found
    # The key of a mailbox leaves out its tag, which may be another person's.
    return found & Q(**{f"{view.to}__iexact": typed_email(term)})


def _spelled(term: str) -> str:
    """Return a phone number as it is stored, however it was typed."""
    if "@" in term:
        return typed_email(term)
    number = joined(term)
    if not (number.isascii() and number.isdigit()):
        return number
    return f"+{number.removeprefix('00')}"


class AttemptInline(LookOnly, TabularInline):
    """The messages of a verification."""

    model = VerificationAttempt
    fields = readonly_fields = (
        "channel",
        "message_status",
        "sender",
        "provider_sid",
        "error_code",
        "error_message",
        "tries",
        "messages",
        "due_at",
        "date_created",
    )
    ordering = ("sid",)
    extra = 0
    show_change_link = True


@admin.register(Verification)
class VerificationAdmin(RecordAdmin):
    """Who was verified, when and how; the recipients are masked for most viewers."""

    actions = ("cancel_selected", "release_selected", "forget_selected")
    inlines = (AttemptInline,)
    list_filter = (
        filters.StatusFilter,
        filters.ChannelFilter,
        filters.CountryFilter,
        filters.ServiceFilter,
        filters.TestFilter,
        ("date_created", filters.AgeFilter),
    )
    list_select_related = ("service",)
    sid_paths = {"VE": "pk", "VL": "attempts__pk"}

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with the recipient in full or masked."""
        return (
            "full_recipient" if sees_recipients(request) else "masked_recipient",
            "status_now",
            "channel",
            "service_name",
            "checks_used",
            "sends_used",
            "created",
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
            f"{shape}_blocked",
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

    @admin.display(description=_("recipient"))
    def full_recipient(self, obj: Verification) -> str:
        """The recipient."""
        return obj.to

    @admin.display(description=_("recipient"))
    def masked_recipient(self, obj: Verification) -> str:
        """The recipient, most of it hidden."""
        return channels.mask(obj.to)

    @admin.display(description=_("blocked starts"))
    def full_blocked(self, obj: Verification) -> str:
        """What the guard has decided about the recipient in this account, newest first."""
        return _listed(self._decisions(obj))

    @admin.display(description=_("blocked starts"))
    def masked_blocked(self, obj: Verification) -> str:
        """The same, without the block that would complete the masked recipient."""
        return _listed(map(phones.mask_within, self._decisions(obj)))

    def _decisions(self, obj: Verification) -> list[str]:
        rows = GuardDecision.objects.filter(
            account_id=obj.account_id, recipient_key=obj.recipient_key
        )
        return [f"{row.get_outcome_display()}: {row.reason}" for row in rows[:5]]

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
        return str(obj.service or "-")

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

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list; refuse an action outright where Django would only overlook it."""
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
        description=_("Release the recipients of the selected verifications"),
    )
    def release_selected(
        self, request: HttpRequest, queryset: QuerySet[Verification]
    ) -> HttpResponse | None:
        """Ask, and then forgive the wrong guesses of each recipient."""
        if "confirmed" in request.POST:
            count = 0
            for row in self._ticked(request):
                verifications.release(row)
                self.log_change(request, row, gettext("Released the recipient."))
                count += 1
            text = ngettext("%(count)d recipient was released.", "%(count)d were released.", count)
            self.message_user(request, text % {"count": count}, messages.SUCCESS)
            return None
        explanation = _(
            "The wrong codes that were tried for these recipients no longer count, so that their"
            " codes have the service's length again at once. Without this, time or an approval"
            " does it. Do this only when the owner asks."
        )
        words = {
            "title": _("Release these recipients?"),
            "explanation": explanation,
            "yes": _("Yes, release them"),
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
