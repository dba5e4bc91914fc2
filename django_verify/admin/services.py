"""The services as an operator sets them up, and a test message through one of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import IntegerField
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from django_verify import conf
from django_verify.admin import labels, pages, testmessages
from django_verify.admin.closed import ClosedAdmin, LookOnly, TabularInline
from django_verify.admin.forms import ServiceForm, TestMessageForm, routing_of
from django_verify.admin.messaging import MessagingConfigurationInline
from django_verify.admin.testnumbers import TestNumberInline
from django_verify.db.autocommit import outside_atomic_requests
from django_verify.messages.channels import label
from django_verify.models import RateLimit, VerifyService
from django_verify.models.services import GUARD_LEVELS
from django_verify.verifications import offers

#: Seconds; OWASP ASVS 6.5.5 lets a code that was sent live no longer.
ADVISED_LIFETIME = 600

_FIELDSETS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (
        _("Code and limits"),
        {"fields": ("code_length", "lifetime", "max_checks", "max_sends")},
    ),
    (_("Channels"), {"fields": ("routing",)}),
    (
        _("Apps and pages"),
        {
            "fields": ("client_enabled", "client_channels", "client_purposes"),
            "description": _(
                "Verification without an account's credentials, by the endpoints for apps and by"
                " the site's own pages."
            ),
        },
    ),
    (
        _("Message options"),
        {
            "fields": (
                "do_not_share_warning_enabled",
                "autofill_domain",
                "custom_friendly_name_enabled",
                "dtmf_input_required",
                "tts_name",
                "default_template_sid",
            )
        },
    ),
    (
        _("Numbers"),
        {
            "fields": ("allowed_number_types",),
            "description": _(
                "Numbers that cost their sender, or reach no one person, get no codes unless they"
                " are ticked here. Countries and prefix rules have pages of their own."
            ),
        },
    ),
    (
        _("Fraud"),
        {
            "fields": ("guard_level", "guard_record_only"),
            "description": _(
                "The guard closes ranges of numbers, countries and networks whose codes nobody"
                " enters. What it refuses, with the reason, is under Blocked starts."
            ),
        },
    ),
    (
        _("Lookup"),
        {"fields": ("lookup_enabled", "skip_sms_to_landlines"), "classes": ("collapse",)},
    ),
    (
        _("Custom codes and payments (PSD2)"),
        {"fields": ("custom_code_enabled", "psd2_enabled"), "classes": ("collapse",)},
    ),
    (
        _("Authenticator apps (TOTP)"),
        {
            "fields": ("totp_issuer", "totp_time_step", "totp_code_length", "totp_skew"),
            "classes": ("collapse",),
        },
    ),
    (
        _("Push"),
        {
            "fields": ("push_include_date", "push_apn_credential_sid", "push_fcm_credential_sid"),
            "classes": ("collapse",),
        },
    ),
    (
        _("WhatsApp"),
        {"fields": ("whatsapp_msg_service_sid", "whatsapp_from"), "classes": ("collapse",)},
    ),
    (
        _("Passkeys"),
        {
            "fields": (
                "passkeys_relying_party_id",
                "passkeys_relying_party_name",
                "passkeys_relying_party_origins",
                "passkeys_authenticator_attachment",
                "passkeys_discoverable_credentials",
                "passkeys_user_verification",
            ),
            "classes": ("collapse",),
        },
    ),
    (_("E-mail"), {"fields": ("email_from_addresses",), "classes": ("collapse",)}),
    (_("Events"), {"fields": ("verify_event_subscription_enabled",), "classes": ("collapse",)}),
)


class RateLimitInline(LookOnly, TabularInline):
    """The limits of a service; each has a page of its own, with its buckets."""

    model = RateLimit
    fields = readonly_fields = ("unique_name", "description", "sid")
    extra = 0
    show_change_link = True


@admin.register(VerifyService)
class VerifyServiceAdmin(ClosedAdmin):
    """One brand's rules: codes, limits, channels and their senders."""

    form = ServiceForm
    list_display = (
        "friendly_name",
        "channel_names",
        "account",
        "sid",
        "code_length",
        "date_created",
    )
    list_select_related = ("account",)
    ordering = ("-date_created",)
    search_fields = ("^sid", "friendly_name")
    inlines = (MessagingConfigurationInline, RateLimitInline, TestNumberInline)

    @admin.display(description=_("channels"))
    def channel_names(self, obj: VerifyService) -> str:
        """The enabled channels, by their short names: the list has many columns."""
        return ", ".join(str(labels.channel(name)) for name in obj.channels)

    @admin.display(description=_("Channels and senders"))
    def routing(self, obj: VerifyService) -> str:
        """The table of channels, for a viewer who may not change it."""
        lines = []
        for channel, (enabled, aliases) in routing_of(obj).items():
            if enabled:
                by = ", ".join(aliases) or gettext("site's default")
                lines.append(f"{label(channel)}: {by}")
        return "\n".join(lines)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the groups of fields; a new service has no SID to show yet."""
        identity: tuple[str, ...] = ("friendly_name", "account")
        if obj:
            identity += ("sid", "date_created", "date_updated")
        return ((_("Identity"), {"fields": identity}), *_FIELDSETS)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return what belongs to a service, once it exists and so has an account."""
        return super().get_inlines(request, obj) if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is not edited: a service stays with its account."""
        return ("account", "sid", "date_created", "date_updated") if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field; a number's input has the range of the model's validators."""
        if isinstance(db_field, IntegerField):
            kwargs |= _range(db_field.validators)
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "guard_level":
            named = dict(GUARD_LEVELS)[conf.current().GUARD_LEVEL]
            field.choices = [
                ("", _("The site's level: %(level)s") % {"level": named}),
                *GUARD_LEVELS,
            ]
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and warn of what is legal and seldom meant."""
        super().save_model(request, obj, form, change)
        if obj.client_enabled and offers.are_several_open():
            text = _(
                "Apps and pages get no codes now: several services are open to clients. Close the"
                " others, or have one named by its SID in the site's setting CLIENT_SERVICE."
            )
            self.message_user(request, text, messages.WARNING)
        if obj.lifetime > ADVISED_LIFETIME:
            text = _(
                "Codes of this service live for more than 10 minutes. Security guidance"
                " (OWASP ASVS 6.5.5) advises 600 seconds or less."
            )
            self.message_user(request, text, messages.WARNING)

    def get_urls(self) -> list[URLPattern]:
        """Return the pages, with that of the test message.

        It stands outside the host's ATOMIC_REQUESTS, so that the message is sent, and its
        outcome known, before the page answers.
        """
        view = outside_atomic_requests(self.admin_site.admin_view(self.test_view))
        name = f"{self.opts.app_label}_{self.opts.model_name}_test"
        return [path("<path:object_id>/test/", view, name=name), *super().get_urls()]

    def object_links(self, request: HttpRequest, obj: Any) -> list[tuple[str, Any]]:
        """Return the buttons of the test message, a new rate limit and a new test number."""
        links: list[tuple[str, Any]] = []
        dashboard = pages.url(self.admin_site, "django_verify_dashboard_changelist")
        if dashboard and request.user.has_perm("django_verify.view_dashboard"):
            links.append((f"{dashboard}?service={obj.pk}", _("Dashboard")))
        if self.has_change_permission(request, obj):
            links.append((self.url_of("test", obj.pk), _("Send a test message")))
        for model, label_ in (
            ("ratelimit", _("Add a rate limit")),
            ("testnumber", _("Add a test number")),
        ):
            url = pages.url(self.admin_site, f"django_verify_{model}_add")
            if url and request.user.has_perm(f"django_verify.add_{model}"):
                links.append((f"{url}?service={obj.pk}", label_))
        return links

    @method_decorator(sensitive_post_parameters())
    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a code to a recipient that the operator names; wait for the outcome, and show it."""
        service = self.changeable(request, object_id)
        form = TestMessageForm(service, request.POST if request.method == "POST" else None)
        if form.is_valid():
            attempt = testmessages.send(service, form)
            if attempt is not None:
                message = gettext("Sent a test message (%(channel)s).")
                self.log_change(request, service, message % {"channel": attempt.channel})
                return testmessages.redirect(request, attempt)
        context = {
            "title": _("Send a test message"),
            "form": form,
            **testmessages.context(self.admin_site, request, service=service),
        }
        return self.page(request, "test_message.html", service, context)


def _range(validators: Iterable[Any]) -> dict[str, int]:
    """Return the tightest bounds that a model field's validators set."""
    low = [v.limit_value for v in validators if isinstance(v, MinValueValidator)]
    high = [v.limit_value for v in validators if isinstance(v, MaxValueValidator)]
    return {"min_value": max(low), "max_value": min(high)}
