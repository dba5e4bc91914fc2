"""The templates as an operator writes them, with a preview of each text as it is typed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_verify.admin.closed import ClosedAdmin, InlineFormSet, StackedInline
from django_verify.models import Template, TemplateTranslation
from django_verify.models.templates import TEMPLATE_CHANNELS
from django_verify.text import placeholders

#: What the preview puts in the place of the placeholders.
EXAMPLE = {"code": "123456", "friendly_name": "Acme", "ttl": "10"}

_LABELS = {"sms": _("Text message (SMS)"), "voice": _("Phone call")}


def preview(text: str) -> dict[str, Any]:
    """Return what a text will look like, what it costs and what is wrong with it."""
    text = text.strip()
    names = placeholders.placeholders(text)
    example = placeholders.render(text, dict(zip(names, names, strict=True)) | EXAMPLE)
    return {
        "text": example,
        "size": placeholders.size(example),
        "faults": placeholders.faults(text) if text else [],
        "custom": placeholders.custom_placeholders(text),
    }


class TextWidget(forms.Textarea):
    """A text with its preview, which a script keeps up to date."""

    class Media:
        js = ("django_verify/admin/preview.js",)
        css = {"all": ("django_verify/admin/preview.css",)}

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the text area and, by the site's templates, its preview."""
        context = preview(value or "") | {"area": super().render(name, value, attrs, renderer)}
        return render_to_string("django_verify/admin/template_text.html", context)


class Translations(InlineFormSet):
    """The texts of one template: one of them is the default, at first the first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("initial", [{"is_default": True}])
        super().__init__(*args, **kwargs)

    def clean(self) -> None:
        """Refuse no text at all, and none or several by default."""
        super().clean()
        rows = [
            form.cleaned_data
            for form in self.forms
            if form.cleaned_data and not form.cleaned_data.get("DELETE")
        ]
        if any(self.errors):
            return
        if not rows:
            raise ValidationError(_("Write the text in one language at least."))
        if sum(bool(row.get("is_default")) for row in rows) != 1:
            raise ValidationError(_("Tick “default” for exactly one language."))


class TranslationInline(StackedInline):
    """The text of the template in each language."""

    model = TemplateTranslation
    formset = Translations
    fields = ("locale", "text", "status", "is_default")

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """Return how many empty texts are offered: one, to a new template."""
        return 0 if obj else 1

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field; that of the text with its preview."""
        if db_field.name == "text":
            url = reverse("admin:django_verify_template_preview", current_app=self.admin_site.name)
            kwargs["widget"] = TextWidget(attrs={"rows": 4, "data-preview-url": url})
            kwargs["help_text"] = _(
                "Put {{code}} where the code will stand. {{friendly_name}} is the brand and {{ttl}}"
                " the minutes that the code is valid; the developers fill any other, such as"
                " {{order}}."
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class TemplateForm(forms.ModelForm):  # type: ignore[type-arg]
    """A template, its channels as checkboxes."""

    channels = forms.MultipleChoiceField(
        label=_("Channels"),
        choices=[(name, _LABELS[name]) for name in TEMPLATE_CHANNELS],
        widget=forms.CheckboxSelectMultiple,
        initial=["sms"],
    )


@admin.register(Template)
class TemplateAdmin(ClosedAdmin):
    """The messages that services and callers may choose from."""

    form = TemplateForm
    list_display = ("friendly_name", "channel_names", "languages", "account", "sid")
    list_select_related = ("account",)
    search_fields = ("^sid", "friendly_name")
    inlines = (TranslationInline,)

    @admin.display(description=_("channels"))
    def channel_names(self, obj: Template) -> str:
        """The channels, as people call them."""
        return ", ".join(str(_LABELS.get(channel, channel)) for channel in obj.channels)

    @admin.display(description=_("languages"))
    def languages(self, obj: Template) -> str:
        """The locales of its texts."""
        return ", ".join(row.locale for row in obj.translations.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the templates with their texts, which the list names."""
        return super().get_queryset(request).prefetch_related("translations")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; a new template has no SID to show yet."""
        names = ("friendly_name", "account", "channels")
        return (*names, "sid", "date_created", "date_updated") if obj else names

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is not edited: a template stays with its account."""
        return ("account", "sid", "date_created", "date_updated") if obj else ()

    def get_urls(self) -> list[URLPattern]:
        """Return the pages, with the one that the preview's script asks."""
        view = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", view, name="django_verify_template_preview"), *super().get_urls()]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Answer the preview of a text; nothing is written."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        text = request.POST.get("text", "")[: 4 * placeholders.TEXT_LENGTH]
        return TemplateResponse(request, "django_verify/admin/template_preview.html", preview(text))
