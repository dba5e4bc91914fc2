"""Test numbers: recipients whose code an operator has fixed, so that nothing needs to be sent."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.contact import emails, phones
from django_verify.crypto import codes
from django_verify.models.fields import SidField
from django_verify.models.services import VerifyService
from django_verify.models.versions import Part

#: How far ahead the end of a pair may lie.
LONGEST = dt.timedelta(days=90)

_CODE = re.compile(r"[0-9]{4,10}\Z")


def key_of(to: str) -> str:
    """Return the one spelling of a recipient by which its pair is found.

    A number's is that of its subscriber. A mailbox's tag stays, since each may be a person's.
    """
    return emails.canonical(to) if "@" in to else phones.fold(to)


class TestNumber(Part):
    """A pair of recipient and code within a service, for store reviewers and automatic tests.

    Anyone who knows the code proves the recipient, so a pair ends by itself: one without an end is
    dead. The code is sealed like a caller's own.
    """

    __test__ = False  # the name is no test's

    # Of a service that has none, processes know that there is none.
    part_of, kept = "service", frozenset({"sid", "service", "is_active"})

    sid = SidField("TN", primary_key=True, default=sids.test_number, editable=False)
    service = models.ForeignKey(
        VerifyService,
        on_delete=models.CASCADE,
        related_name="test_numbers",
        verbose_name=_("service"),
        db_index=False,  # the unique constraint begins with it
    )
    recipient = models.CharField(_("recipient"), max_length=254)
    key = models.CharField(max_length=320, editable=False)
    sealed_code = models.CharField(max_length=128, editable=False)
    key_id = models.CharField(max_length=16, editable=False)
    note = models.CharField(
        _("note"), max_length=200, blank=True, help_text=_("Who uses it, and what for.")
    )
    # A database may be written by others than the form, which demands it; a check finds them.
    expires_at = models.DateTimeField(_("expires"), null=True)
    is_active = models.BooleanField(_("active"), default=True)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("test number")
        verbose_name_plural = _("test numbers")
        ordering = ["-date_created", "-sid"]
        constraints = [
            models.UniqueConstraint(fields=["service", "key"], name="verify_test_number_key")
        ]

    def __str__(self) -> str:
        return self.sid

    def __repr__(self) -> str:
        return f"<TestNumber: {self.sid}>"

    def set_code(self, code: str) -> None:
        """Seal the code, 4–10 digits, under the newest key; the caller saves. Raises ValueError."""
        if not _CODE.match(code):
            raise ValueError("not a code of 4–10 digits")
        self.key_id = codes.current_key_id()
        self.sealed_code = codes.seal(code, bound_to=self.sid, key_id=self.key_id)

    def clean(self) -> None:
        """Refuse what is no recipient, or has a pair in this service. Raises ValidationError."""
        if not self.recipient:
            return
        try:
            self._settle()
        except ValueError as error:
            raise ValidationError({"recipient": str(error)}) from None
        others = TestNumber.objects.exclude(pk=self.pk)
        if others.filter(service_id=self.service_id, key=self.key).exists():
            raise ValidationError({"recipient": _("This recipient is a test number already.")})

    def save(self, **kwargs: Any) -> None:
        """Write the row under its recipient's key. Raises ValueError for what is no recipient."""
        if not kwargs.get("update_fields"):
            self._settle()
        super().save(**kwargs)

    def _settle(self) -> None:
        read = emails.parse if "@" in self.recipient else phones.parse
        read(self.recipient)
        self.key = key_of(self.recipient)
