"""The numbers of users, to look at and to release; and an inline for the site's own user page."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_verify.admin.closed import ClosedAdmin, LookOnly, TabularInline
from django_verify.admin.recipients import RecipientColumns, in_full_and_masked
from django_verify.users import verified_phones
from django_verify.users.models import VerifiedPhone

_REST = ("verified_at", "primary", "channel", "date_created")


class Columns(RecipientColumns):
    """What both pages show; the number in full only to viewers who may see recipients."""

    full_number, masked_number = in_full_and_masked(attrgetter("e164"), _("number"))

    def columns(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the columns, with the number in full or masked."""
        return (self.shown(request, "number"), *_REST)

    @admin.display(description=_("primary"), boolean=True)
    def primary(self, obj: VerifiedPhone) -> bool:
        """Whether the user is reached by it first."""
        return bool(obj.is_primary)


class VerifiedPhoneInline(Columns, LookOnly, TabularInline):
    """For `inlines` of the site's own UserAdmin."""

    model = VerifiedPhone
    extra = 0

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the columns."""
        return self.columns(request)

    get_readonly_fields = get_fields


@admin.register(VerifiedPhone)
class VerifiedPhoneAdmin(Columns, LookOnly, ClosedAdmin):
    """Whose number was verified; a number is released through the verb, which sends the signal."""

    list_select_related = ("user",)
    walk = "pk"
    ordering = ("-pk",)
    actions = ("release_selected",)

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns."""
        return ("user", *self.columns(request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page of one number shows."""
        return self.get_list_display(request)

    get_readonly_fields = get_fields

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Whether the viewer may release numbers; a permission of its own."""
        return request.user.has_perm("django_verify_users.release_verifiedphone")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the list; refuse the action outright where Django would only overlook it."""
        asked = request.POST.getlist("action")
        if "release_selected" in asked and not self.has_release_permission(request):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    @admin.action(permissions=["release"], description=_("Release the selected numbers"))
    def release_selected(self, request: HttpRequest, queryset: QuerySet[VerifiedPhone]) -> None:
        """Take each number from its user."""
        count = 0
        for phone in queryset.select_related("user"):
            verified_phones.release(phone)
            self.log_change(request, phone, "Released the number.")
            count += 1
        text = ngettext("%(count)d number was released.", "%(count)d numbers were released.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)
