"""The base of our admin pages: their lists accept only the filters that they declare.

What a page shows and does is in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import django
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import Model
from django.forms import ModelChoiceField, SplitDateTimeField
from django.forms.models import BaseInlineFormSet
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from django_verify.admin import menu, sentences
from django_verify.admin.lists import ReadableList
from django_verify.admin.stretches import StretchList
from django_verify.models import (
    AccessToken,
    Challenge,
    GuardDecision,
    GuardTrip,
    Notification,
    Verification,
    VerificationAttempt,
    WebhookDelivery,
)

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    StackedInline = admin.StackedInline[Any, Any]
    TabularInline = admin.TabularInline[Any, Any]
    InlineFormSet = BaseInlineFormSet[Any, Any, Any]
else:
    ModelAdmin = admin.ModelAdmin
    StackedInline = admin.StackedInline
    TabularInline = admin.TabularInline
    InlineFormSet = BaseInlineFormSet

#: What one of two operators reads who have saved a row for the same thing at one moment.
OVERTAKEN = _(
    "Nothing was saved: at this moment somebody else has saved a row for the same. It is in the"
    " list now."
)

_RECORDS = (
    *(AccessToken, Challenge, GuardDecision, GuardTrip, Notification),
    *(Verification, VerificationAttempt, WebhookDelivery),
)


class ColumnFormSet(InlineFormSet):
    """Rows of a table whose fields are named after their column; Django writes that above alone."""

    def add_fields(self, form: Any, index: Any) -> None:
        """Name the fields, the box that deletes a row included."""
        super().add_fields(form, index)
        for field in form.fields.values():
            if field.label and not field.widget.is_hidden:
                field.widget.attrs.setdefault("aria-label", field.label)


class LookOnly:
    """Nothing is added, changed or deleted here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes."""
        return False


class ClosedAdmin(ModelAdmin):
    """A ModelAdmin that accepts only the query parameters it names.

    By default Django lets a list be filtered by any column of its table, shown or not, and so be
    asked for a hash or a number digit by digit.
    """

    list_parameters: frozenset[str] = frozenset()
    show_full_result_count = False
    #: The column with an index along which a list without end is shown, in stretches.
    walk = ""
    change_form_template = "django_verify/admin/change_form.html"
    change_list_template = "django_verify/admin/change_list.html"
    #: What the rows do, in one sentence; by default that of `sentences`, as is the next.
    explanation: Any = ""
    #: What would stand in the list, and how the first row is made, where there is none.
    empty: Any = ""

    class Media:
        css = {"all": ("django_verify/admin/console.css",)}

    def __init__(self, model: type[Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        menu.arrange(admin_site)
        name = model.__name__
        self.explanation = self.explanation or sentences.EXPLANATIONS.get(name, "")
        self.empty = self.empty or sentences.EMPTY.get(name, "")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Any]:
        """Return the list's class: a list without end is shown in stretches."""
        return StretchList if self.walk else ReadableList

    def is_indexed(self, request: HttpRequest, term: str) -> bool:
        """Whether an index answers the search for a term, among all rows."""
        return True

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether the list may be filtered by this parameter."""
        return lookup in self.list_parameters

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field; one for another object without its add and change buttons.

        These open a popup that closes itself on saving, and would take a new secret with it.
        """
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, SplitDateTimeField):
            # One label stands before the two of them.
            parts = zip(field.widget.widgets, (_("date"), _("time")), strict=True)
            for widget, part in parts:
                widget.attrs["aria-label"] = f"{field.label}, {part}"
        if isinstance(field, ModelChoiceField) and db_field.remote_field:
            if field.queryset is not None and not field.queryset.exists():
                # Nothing can be chosen: the first one has to be made before.
                field.help_text = sentences.EMPTY.get(db_field.related_model.__name__, "")
            widget = cast("RelatedFieldWidgetWrapper", field.widget)
            widget.can_add_related = widget.can_change_related = False
            widget.can_delete_related = widget.can_view_related = False
        return field

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """List what a deletion takes along.

        Records have no deletion of their own, but they go with their service or account.
        """
        listed, counts, lacking, protected = super().get_deleted_objects(objs, request)
        records = {model._meta.verbose_name for model in _RECORDS}  # noqa: SLF001
        return listed, counts, lacking - records, protected

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Return the object; an identifier with a NUL names none, and PostgreSQL would raise."""
        return None if "\0" in object_id else super().get_object(request, object_id, from_field)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Return the form, or save it; where another operator has just saved the same, say so."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError:
            self.message_user(request, OVERTAKEN, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def object_links(self, request: HttpRequest, obj: Any) -> list[tuple[str, Any]]:
        """Return URL and label of the buttons above an object's form."""
        return []

    def list_links(self, request: HttpRequest) -> list[tuple[str, Any]]:
        """Return URL and label of the buttons above the list."""
        return []

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Return the list, with its buttons and what its rows do."""
        context = {
            "explanation": self.explanation,
            "empty": self.empty,
            "list_links": self.list_links(request),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Render the form with the object's buttons."""
        obj = context.get("original")
        context["object_links"] = self.object_links(request, obj) if obj else []
        context["explanation"] = self.explanation
        return super().render_change_form(request, context, *args, **kwargs)

    def url_of(self, page: str, *args: str) -> str:
        """Return the URL of one of this model's pages, such as `change`."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=args, current_app=self.admin_site.name)

    def changeable(self, request: HttpRequest, object_id: str) -> Any:
        """Return the object that the viewer may change. Raises PermissionDenied and Http404."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        if not self.has_change_permission(request, obj):
            raise PermissionDenied
        return obj

    def page(
        self, request: HttpRequest, template: str, obj: Model | None, context: Mapping[str, object]
    ) -> TemplateResponse:
        """Return one of our own pages in the admin's frame."""
        # The template tags that build links find the admin site by it.
        request.current_app = self.admin_site.name
        full = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "breadcrumb_list": django.VERSION >= (6, 1),  # its style sheet knows the list alone
            "original": obj,
            "has_view_permission": self.has_view_or_change_permission(request, obj),
            "media": self.media,
            **context,
        }
        return TemplateResponse(request, f"django_verify/admin/{template}", full)
