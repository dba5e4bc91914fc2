"""Who may call the API: accounts with their auth token, and further API keys."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.crypto import codes
from django_verify.models.fields import SidField
from django_verify.models.versions import Versioned


class Account(Versioned):
    """Owner of services; its SID and auth token are a user name and password of HTTP Basic."""

    sid = SidField("AC", primary_key=True, default=sids.account, editable=False)
    friendly_name = models.CharField(_("friendly name"), max_length=64)
    auth_token_hash = models.CharField(max_length=90, editable=False)
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Requests of an inactive account answer 401.")
    )
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["-date_created", "-sid"]

    def __str__(self) -> str:
        return self.friendly_name

    def set_auth_token(self, token: str = "") -> str:
        """Replace the auth token and return it, the only time it is known; the caller saves."""
        token = token or codes.new_secret()
        self.auth_token_hash = codes.hash_secret(token)
        return token


class ApiKey(Versioned):
    """A revocable credential of an account: `SK…` and a secret."""

    sid = SidField("SK", primary_key=True, default=sids.api_key, editable=False)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="api_keys", verbose_name=_("account")
    )
    friendly_name = models.CharField(_("friendly name"), max_length=64)
    secret_hash = models.CharField(max_length=90, editable=False)
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Untick to revoke the key at once.")
    )
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-date_created", "-sid"]

    def __str__(self) -> str:
        return self.friendly_name

    def set_secret(self) -> str:
        """Replace the secret and return it, the only time it is known; the caller saves."""
        secret = codes.new_secret()
        self.secret_hash = codes.hash_secret(secret)
        return secret
