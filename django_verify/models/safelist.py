"""The safe list: numbers of an account that fraud checks let pass."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.contact import phones
from django_verify.models.accounts import Account
from django_verify.models.fields import ListedPhoneField, SidField, e164


class SafeListNumber(models.Model):
    """One number in E.164, in use or not, whose every spelling is the same entry."""

    sid = SidField("GN", primary_key=True, default=sids.safe_list_number, editable=False)
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="safe_list",
        verbose_name=_("account"),
        db_index=False,  # the unique constraint begins with it
    )
    phone_number = ListedPhoneField(_("phone number"))
    key = models.CharField(max_length=16, editable=False)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("safe-listed number")
        verbose_name_plural = _("safe list")
        default_permissions = ("add", "delete", "view")
        ordering = ["-date_created", "-sid"]
        constraints = [
            models.UniqueConstraint(fields=["account", "key"], name="verify_safe_list_number")
        ]

    def __str__(self) -> str:
        return self.sid

    def __repr__(self) -> str:
        return f"<SafeListNumber: {self.sid}>"

    @property
    def number(self) -> str:
        """The number in E.164, however the host formats numbers."""
        return e164(self.phone_number)

    def clean(self) -> None:
        """Refuse a number that is on the list already. Raises ValidationError."""
        if not self.phone_number:
            return
        try:
            key = phones.listed(self.number).key
        except ValueError as error:
            raise ValidationError({"phone_number": str(error)}) from None
        others = SafeListNumber.objects.exclude(pk=self.pk)
        if others.filter(account_id=self.account_id, key=key).exists():
            raise ValidationError({"phone_number": _("This number is on the list already.")})

    def save(self, **kwargs: Any) -> None:
        """Write the row under the key that all spellings of the number share."""
        self.key = phones.fold(self.number)
        super().save(**kwargs)


def is_safe_listed(account_sid: str, key: str) -> bool:
    """Return whether an account's fraud checks let the number with this key pass."""
    return SafeListNumber.objects.filter(account_id=account_sid, key=key).exists()
