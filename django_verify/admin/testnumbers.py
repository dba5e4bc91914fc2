"""Test numbers as an operator keeps them: the code is typed in, and no page shows it."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.http import HttpRequest
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from django_verify import conf
from django_verify.admin.closed import ClosedAdmin, LookOnly, TabularInline
from django_verify.admin.forms import destination
from django_verify.admin.recipients import RecipientColumns, in_full_and_masked
from django_verify.models import TestNumber
from django_verify.models.testnumbers import LONGEST

if TYPE_CHECKING:
    TestNumberModelForm = forms.ModelForm[TestNumber]
else:
    TestNumberModelForm = forms.ModelForm


class TestNumberForm(TestNumberModelForm):
    """A pair; its code is asked for once, and afterwards only to replace it."""

    __test__ = False  # the name is no test's

    code = forms.CharField(
        label=_("Code"),
        required=False,
        validators=[RegexValidator(r"^[0-9]{4,10}\Z", _("4–10 digits."))],
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
        help_text=_("4–10 digits. It is not shown again; leave it empty to keep the one there is."),
    )

    class Meta:
        model = TestNumber
        fields = ("service", "recipient", "note", "expires_at", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "code" in self.fields:
            self.fields["code"].required = self.instance._state.adding  # noqa: SLF001 - documented
        if "recipient" in self.fields:
            self.fields["recipient"].help_text = _(
                "A phone number with its country code, or an e-mail address: one that nobody has."
            )
        if "expires_at" in self.fields:
            self.fields["expires_at"].help_text = _("At most %(days)d days ahead.") % {
                "days": LONGEST.days
            }

    def clean_recipient(self) -> str:
        """Return the recipient as it is stored, however it was written."""
        return destination(self.cleaned_data["recipient"])

    def clean_expires_at(self) -> Any:
        """Refuse a new end that has passed, and any that is too far."""
        end, now = self.cleaned_data["expires_at"], timezone.now()
        if end and "expires_at" in self.changed_data and end <= now:
            raise ValidationError(_("It must be in the future."))
        if end and end > now + LONGEST:
            raise ValidationError(_("At most %(days)d days ahead.") % {"days": LONGEST.days})
        return end

    @sensitive_variables()
    def save(self, commit: bool = True) -> TestNumber:
        """Seal the code, if there is a new one."""
        if code := self.cleaned_data.get("code"):
            self.instance.set_code(code)
        saved: TestNumber = super().save(commit)
        return saved


class OwnRecipient(RecipientColumns):
    """The recipient of a pair."""

    full_recipient, masked_recipient = in_full_and_masked(attrgetter("recipient"), _("recipient"))


class TestNumberInline(OwnRecipient, LookOnly, TabularInline):
    """The test numbers of a service; each has a page of its own."""

    __test__ = False  # the name is no test's

    model = TestNumber
    extra = 0
    show_change_link = True

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the columns."""
        return (self.shown(request), "note", "expires_at", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return all of them."""
        return self.get_fields(request, obj)


@admin.register(TestNumber)
@method_decorator(sensitive_post_parameters("code", "recipient"), name="changeform_view")
@method_decorator(sensitive_variables(), name="changeform_view")
class TestNumberAdmin(OwnRecipient, ClosedAdmin):
    """Pairs of recipient and code, for store reviewers and automatic tests."""

    __test__ = False  # the name is no test's

    form = TestNumberForm
    list_filter = ("is_active",)
    list_parameters = frozenset({"is_active__exact"})
    list_select_related = ("service",)
    search_fields = ("^sid", "^service__sid", "service__friendly_name", "note")

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with the recipient in full or masked."""
        return (self.shown(request), "service", "note", "expires_at", "is_active", "date_created")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; who may only look has no code to type."""
        if obj is None:
            return ("service", "recipient", "code", "note", "expires_at", "is_active")
        code = ("code",) if self.has_change_permission(request, obj) else ()
        shown = (self.shown(request), "service", *code, "note", "expires_at", "is_active")
        return (*shown, "sid", "date_created", "date_updated")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is not edited: another recipient is another pair."""
        if obj is None:
            return ()
        return (self.shown(request), "service", "sid", "date_created", "date_updated")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field; a pair must end."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "expires_at":
            field.required = True
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, with a warning where the site has switched test numbers off."""
        super().save_model(request, obj, form, change)
        if not conf.current().TEST_NUMBERS:
            text = _("Test numbers are switched off on this site: set TEST_NUMBERS.")
            self.message_user(request, text, messages.WARNING)
