"""What is known of each sender that has failed or is paused, shared by all processes."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class SenderState(models.Model):
    """A sender that has failed or was paused; a healthy one has no row, or one without either.

    The breaker is open until `open_until`, and half-open after it: anyone who moves that moment on
    by a conditional update may send one message as a probe. It is closed when it is None.
    A paused one gets no message from `paused_at` until `paused_until`, or until it is resumed.
    """

    #: The rows that a start has to know of.
    TROUBLED = models.Q(failures__gt=0) | models.Q(paused_at__isnull=False)

    alias = models.CharField(_("sender"), primary_key=True, max_length=64, editable=False)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True)
    open_until = models.DateTimeField(_("skipped until"), null=True, blank=True)
    paused_at = models.DateTimeField(_("paused since"), null=True, blank=True)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    # Of the first failure after the last answer; `failing_since` begins anew with each window.
    error_since = models.DateTimeField(_("in trouble since"), null=True, blank=True)
    last_error_at = models.DateTimeField(_("last failed"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=255, blank=True)
    last_code = models.CharField(_("code of the last error"), max_length=64, blank=True)
    failures_total = models.PositiveIntegerField(_("failures in all"), default=0)
    openings = models.PositiveIntegerField(_("times skipped"), default=0)
    date_updated = models.DateTimeField(_("updated"), default=timezone.now)

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        default_permissions = ("view",)
        ordering = ["alias"]
        permissions = [
            ("close_breaker", _("Can put a failing sender back in its place")),
            ("pause_sender", _("Can pause and resume senders")),
            ("test_sender", _("Can send a test message by a sender")),
        ]

    def __str__(self) -> str:
        return self.alias

    def is_paused(self, now: dt.datetime) -> bool:
        """Whether an operator has paused it, and the pause is not over."""
        return self.paused_at is not None and (self.paused_until is None or now < self.paused_until)
