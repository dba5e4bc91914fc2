"""Entities, factors and challenges: to look at, to delete and to release; no seed, key or token.

A deletion goes through the verbs, so that its events and signals are those of the API.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.admin.closed import LookOnly, TabularInline
from django_verify.admin.filters import (
    ChoicesFilter,
    ExpiringAgeFilter,
    MomentFilter,
    ServiceFilter,
    ValueFilter,
)
from django_verify.admin.recipients import sees_recipients
from django_verify.admin.records import RecordAdmin
from django_verify.contact.typed import plain
from django_verify.exceptions import NotFound
from django_verify.factors import challenges, entities
from django_verify.models import Challenge, Entity, Factor, Notification, VerifyService

#: The confirmation page names each factor, and a form has at most 1000 fields.
RELEASE_AT_ONCE = 500

# The members of a configuration that a page shows; it may hold a token for notifications.
_SHOWN = ("alg", "code_length", "time_step", "skew", "notification_platform", "sdk_version")


class FactorTypeFilter(ChoicesFilter):
    """By kind of factor."""

    title = _("type")
    parameter_name = column = "factor_type"
    choices_of = Factor.Type


class FactorStatusFilter(ChoicesFilter):
    """By whether a factor has proved itself."""

    title = _("status")
    parameter_name = column = "status"
    choices_of = Factor.Status


class ChallengeStatusFilter(ValueFilter):
    """By the status that the clock makes of the stored one."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return every status."""
        return Challenge.Status.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Count a pending row as expired once its time has run out."""
        status = self.value()
        if status not in Challenge.Status.values:
            return queryset
        return challenges.narrowed(queryset, status, timezone.now())


class IdentityAdmin(RecordAdmin):
    """Records found by a SID or a whole identity.

    `sid_paths` are the columns of SIDs, by their prefixes; `entity_path` leads to the entity's.
    """

    list_parameters = RecordAdmin.list_parameters | {"factor_type"}
    search_help_text = _("A SID, or a whole identity.")
    walk = "date_created"
    sid_paths: dict[str, str] = {}
    entity_path = "entity__"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by SID or by a whole identity."""
        term = plain(search_term)
        if not term:
            return queryset, False
        return queryset.filter(self.of_sid(term) or self.about(term)), False

    def of_sid(self, term: str) -> Q | None:
        """Return the condition for a SID; None for what is none."""
        sid = term[:2].upper() + term[2:]
        for prefix, path in self.sid_paths.items():
            if sids.is_sid(prefix, sid):
                return Q(**{path: sids.canonical(sid)})
        return None

    def about(self, term: str) -> Q:
        """Return the condition for an identity, whose case does not matter."""
        # The index on identities begins with the service, so all services are named.
        everyone = VerifyService.objects.values("pk")
        path = self.entity_path
        return Q(**{f"{path}service__in": everyone, f"{path}identity_key": term.lower()})

    @admin.display(description=_("identity"))
    def identity(self, obj: Any) -> str:
        """The name by which the site knows the entity."""
        return obj.entity.identity if obj.entity else "-"


class DeletableAdmin(IdentityAdmin):
    """Records that can also be deleted, by the verb that sends the events."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Users with the model's own permission, which the other records do not have."""
        return super(LookOnly, self).has_delete_permission(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list; refuse an action outright where Django would only overlook it."""
        asked = set(request.POST.getlist("action"))
        if asked - {"", *self.get_actions(request)}:
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    def erase(self, obj: Any) -> None:
        """Delete one object by its verb."""
        raise NotImplementedError

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete one object, unless another request just did."""
        with suppress(NotFound):
            self.erase(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete one by one: a deletion in bulk would send no event."""
        for obj in queryset:
            self.delete_model(request, obj)


class FactorInline(LookOnly, TabularInline):
    """The factors of an entity."""

    model = Factor
    fields = readonly_fields = (
        "factor_sid",
        "factor_type",
        "status",
        "friendly_name",
        "tries",
        "date_created",
    )
    extra = 0
    show_change_link = True

    # Django hides the primary key's own column in a table of rows.
    @admin.display(description=_("SID"))
    def factor_sid(self, obj: Factor) -> str:
        """The factor's SID."""
        return obj.sid

    @admin.display(description=_("tries to verify it"))
    def tries(self, obj: Factor) -> int:
        """How many of the guesses of a new factor were made, the right one among them."""
        return obj.failures


@admin.register(Entity)
class EntityAdmin(DeletableAdmin):
    """Who has factors."""

    inlines = (FactorInline,)
    list_display = ("identity", "service", "date_created")
    list_filter = (ServiceFilter, ("date_created", MomentFilter))
    list_select_related = ("service",)
    fields = ("sid", "identity", "service", "account", "date_created", "date_updated")
    sid_paths = {"YE": "pk", "YF": "factors__pk"}
    entity_path = ""

    @admin.display(description=_("identity"), ordering="identity_key")
    def identity(self, obj: Entity) -> str:
        """The name by which the site knows the entity."""
        return obj.identity

    def erase(self, obj: Entity) -> None:
        """Delete the entity, with an event for each of its factors."""
        entities.delete(obj)


@admin.register(Factor)
class FactorAdmin(DeletableAdmin):
    """What proves an entity; neither its secret nor its binding is on any page."""

    actions = ("release_selected",)
    list_display = (
        "identity",
        "factor_type",
        "status",
        "date_created",
        "friendly_name",
        "service",
        "guesses_used",
    )
    list_filter = (
        FactorTypeFilter,
        FactorStatusFilter,
        ServiceFilter,
        ("date_created", MomentFilter),
    )
    list_select_related = ("entity", "service")
    sid_paths = {"YF": "pk", "YE": "entity"}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page shows; the caller's metadata may name a person."""
        return (
            "sid",
            "entity",
            "factor_type",
            "status",
            "friendly_name",
            "service",
            "account",
            "configuration",
            *(("metadata",) if sees_recipients(request) else ()),
            "failures_used",
            "guesses_used",
            "date_created",
            "date_updated",
        )

    @admin.display(description=_("configuration"))
    def configuration(self, obj: Factor) -> str:
        """The members of the configuration that may be shown."""
        shown = (f"{name}: {obj.config[name]}" for name in _SHOWN if name in obj.config)
        return ", ".join(shown) or "-"

    @admin.display(description=_("tries to verify it"), ordering="failures")
    def failures_used(self, obj: Factor) -> str:
        """How many of the guesses of a new factor were made, the right one among them."""
        return f"{obj.failures}/{entities.FAILURES}"

    @admin.display(description=_("guesses of the day"))
    def guesses_used(self, obj: Factor) -> str:
        """How many of the guesses of the running day were made."""
        return f"{challenges.guesses_made(obj, timezone.now())}/{challenges.GUESSES_PER_DAY}"

    def erase(self, obj: Factor) -> None:
        """Delete the factor, with its event and signal."""
        entities.delete_factor(obj)

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Whether the viewer may release factors; a permission of its own."""
        return request.user.has_perm("django_verify.release_factor")

    @admin.action(permissions=["release"], description=_("Release the selected factors"))
    def release_selected(
        self, request: HttpRequest, queryset: QuerySet[Factor]
    ) -> HttpResponse | None:
        """Ask, and then give each factor its guesses back."""
        rows = list(queryset.select_related("entity")[: RELEASE_AT_ONCE + 1])
        if len(rows) > RELEASE_AT_ONCE:
            text = _("At most %(limit)d factors can be chosen at once.")
            self.message_user(request, text % {"limit": RELEASE_AT_ONCE}, messages.ERROR)
            return None
        if "confirmed" in request.POST:
            self._release(request, rows)
            return None
        context = {
            "title": _("Release these factors?"),
            "explanation": _(
                "The wrong codes that were tried no longer count, so that their owners can"
                " verify and use them again. Do this only when the owner asks."
            ),
            "yes": _("Yes, release them"),
            "action": "release_selected",
            "heading": _("Identity"),
            "rows": [(row.sid, row.entity.identity, row.get_status_display()) for row in rows],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return self.page(request, "confirm.html", None, context)

    def _release(self, request: HttpRequest, rows: list[Factor]) -> None:
        count = 0
        for row in rows:
            with suppress(NotFound):
                entities.release(row)
                self.log_change(request, row, gettext("Released the guesses."))
                count += 1
        text = ngettext("%(count)d factor was released.", "%(count)d were released.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)


class NotificationInline(LookOnly, TabularInline):
    """The notifications of a push challenge, and what became of each."""

    model = Notification
    fields = readonly_fields = (
        "notification_sid",
        "status",
        "tries",
        "due_at",
        "error",
        "date_created",
        "expires_at",
    )
    extra = 0

    # As above.
    @admin.display(description=_("SID"))
    def notification_sid(self, obj: Notification) -> str:
        """The notification's SID."""
        return obj.sid


@admin.register(Challenge)
class ChallengeAdmin(IdentityAdmin):
    """What was asked of factors, and what became of it."""

    list_display = (
        "identity",
        "status_now",
        "date_created",
        "factor_type",
        "service",
        "checks_used",
    )
    list_filter = (
        FactorTypeFilter,
        ChallengeStatusFilter,
        ServiceFilter,
        ("date_created", ExpiringAgeFilter),
    )
    list_select_related = ("entity", "service")
    # Those of a factor kind live equally long, and the index for the expired ones is there anyway.
    walk = "expiration_date"
    ordering = ("-expiration_date", "-pk")
    sid_paths = {"YC": "pk", "YF": "factor", "YE": "entity"}

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return the notifications, which push challenges alone have."""
        return (NotificationInline,) if obj and obj.factor_type == Factor.Type.PUSH else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page shows; what was asked, and by which device, may name a person."""
        texts = ("details", "hidden_details", "metadata")
        return (
            "sid",
            "entity",
            "factor",
            "factor_type",
            "status_now",
            "service",
            "account",
            "checks_used",
            *(texts if sees_recipients(request) else ()),
            "date_created",
            "date_updated",
            "date_responded",
            "expiration_date",
        )

    @admin.display(description=_("status"), ordering="status")
    def status_now(self, obj: Challenge) -> str:
        """The status at this moment."""
        return str(Challenge.Status(obj.current_status(timezone.now())).label)

    @admin.display(description=_("checks"), ordering="checks")
    def checks_used(self, obj: Challenge) -> str:
        """How many of the allowed guesses were made."""
        return f"{obj.checks}/{challenges.CHECKS}"
