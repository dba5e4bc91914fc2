"""Who may call the API: accounts and API keys, whose secrets are shown once and never again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import router
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_verify.admin.closed import ClosedAdmin, LookOnly, TabularInline
from django_verify.db import savepoints
from django_verify.models import Account, ApiKey


class CredentialAdmin(ClosedAdmin):
    """An object with a secret: made and shown when it is added, and again when it is replaced.

    The secret exists only in the answer to the POST that made it. It is not put into a message
    or the session, which are stored.
    """

    secret_name: Any = ""
    # The secret is the password to the user name that the SID is.
    is_login = True
    # What replacing the secret does; empty: the old one stops working.
    consequence: Any = ""
    list_parameters = frozenset({"is_active__exact"})
    ordering = ("-date_created",)

    def renew(self, obj: Any) -> str:
        """Give the object a new secret, save it, and return the secret."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """Return the pages, with the one that replaces the secret."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_rotate"
        view = self.admin_site.admin_view(self.rotate_view)
        return [path("<path:object_id>/rotate/", view, name=name), *super().get_urls()]

    def object_links(self, request: HttpRequest, obj: Any) -> list[tuple[str, Any]]:
        """Return the button that replaces the secret."""
        if not self.has_change_permission(request, obj):
            return []
        label = _("Replace the %(secret)s") % {"secret": self.secret_name}
        return [(self.url_of("rotate", obj.pk), label)]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Render the form; after an addition the secret is shown, so only one button leads on."""
        if context.get("original") is None:
            context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save what the form holds and no more: a secret replaced meanwhile stays replaced."""
        if change:
            obj.save(update_fields=[*form.cleaned_data, "date_updated"])
        else:
            super().save_model(request, obj, form, change)

    @sensitive_variables("secret")
    def response_add(
        self,
        request: HttpRequest,
        obj: Any,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Make the secret of a new object and show it; still in the addition's transaction."""
        secret = self.renew(obj)
        return self._show(request, obj, secret)

    @sensitive_variables("secret")
    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether to replace the secret, and on POST do it and show the new one."""
        obj = self.changeable(request, object_id)
        if request.method != "POST":
            title = _("Replace the %(secret)s?") % {"secret": self.secret_name}
            context = {
                "title": title,
                "secret_name": self.secret_name,
                "consequence": self.consequence,
            }
            return self.page(request, "rotate.html", obj, context)
        with savepoints.atomic(router.db_for_write(self.model)):
            secret = self.renew(obj)
            message = gettext("Replaced the %(secret)s.") % {"secret": self.secret_name}
            self.log_change(request, obj, message)
        return self._show(request, obj, secret)

    @sensitive_variables("secret")
    def _show(self, request: HttpRequest, obj: Any, secret: str) -> HttpResponse:
        title = _("Copy the %(secret)s now") % {"secret": self.secret_name}
        context = {
            "title": title,
            "secret_name": self.secret_name,
            "is_login": self.is_login,
            "secret": secret,
        }
        response = self.page(request, "secret.html", obj, context)
        # The back button must not show the secret to the next person at the browser.
        response["Cache-Control"] = "no-store"
        return response


class ApiKeyInline(LookOnly, TabularInline):
    """The keys of an account; a key is added on a page of its own, which shows the secret."""

    model = ApiKey
    fields = readonly_fields = ("key_sid", "is_active", "date_created")
    extra = 0
    show_change_link = True

    # Django hides the primary key's own column in a table of rows.
    @admin.display(description=_("SID"))
    def key_sid(self, obj: ApiKey) -> str:
        """The user name that goes with the secret."""
        return obj.sid


@admin.register(Account)
class AccountAdmin(CredentialAdmin):
    """The owners of services."""

    secret_name = _("auth token")
    list_display = ("friendly_name", "sid", "is_active", "date_created")
    list_filter = ("is_active",)
    search_fields = ("^sid", "friendly_name")
    readonly_fields = ("sid", "date_created", "date_updated")
    inlines = (ApiKeyInline,)

    @sensitive_variables("token")
    def renew(self, obj: Account) -> str:
        """Give the account a new auth token."""
        token = obj.set_auth_token()
        obj.save(update_fields=["auth_token_hash", "date_updated"])
        return token

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; a new account has no SID to show yet."""
        if obj is None:
            return ("friendly_name", "is_active")
        return ("friendly_name", "is_active", "sid", "date_created", "date_updated")

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return the list of keys, once the account exists."""
        return super().get_inlines(request, obj) if obj else ()

    def object_links(self, request: HttpRequest, obj: Any) -> list[tuple[str, Any]]:
        """Return the buttons, with the one that adds a key of this account."""
        links = super().object_links(request, obj)
        if request.user.has_perm("django_verify.add_apikey"):
            page = "admin:django_verify_apikey_add"
            url = reverse(page, current_app=self.admin_site.name)
            links.append((f"{url}?account={obj.pk}", _("Add an API key")))
        return links


@admin.register(ApiKey)
class ApiKeyAdmin(CredentialAdmin):
    """The further credentials of accounts, each of which can be revoked."""

    secret_name = _("secret")
    list_display = ("friendly_name", "sid", "account", "is_active", "date_created")
    list_filter = ("is_active",)
    list_select_related = ("account",)
    search_fields = ("^sid", "friendly_name", "^account__sid", "account__friendly_name")

    @sensitive_variables("secret")
    def renew(self, obj: ApiKey) -> str:
        """Give the key a new secret."""
        secret = obj.set_secret()
        obj.save(update_fields=["secret_hash", "date_updated"])
        return secret

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the form's fields; a new key has no SID to show yet."""
        if obj is None:
            return ("account", "friendly_name", "is_active")
        return ("friendly_name", "is_active", "account", "sid", "date_created", "date_updated")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is not edited: a key stays with its account."""
        return ("account", "sid", "date_created", "date_updated") if obj else ()
