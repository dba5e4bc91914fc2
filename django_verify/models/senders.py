"""The state of each sender's circuit breaker, shared by all processes."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class SenderState(models.Model):
    """A sender that has failed at least once; a healthy one has no row, or one without failures.

    The breaker is open until `open_until`, and half-open after it: anyone who moves that moment on
    by a conditional update may send one message as a probe. It is closed when it is None.
    """

    alias = models.CharField(_("sender"), primary_key=True, max_length=64, editable=False)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True)
    open_until = models.DateTimeField(_("skipped until"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=255, blank=True)
    failures_total = models.PositiveIntegerField(_("failures in all"), default=0)
    openings = models.PositiveIntegerField(_("times skipped"), default=0)
    date_updated = models.DateTimeField(_("updated"), default=timezone.now)

    class Meta:
        verbose_name = _("sender state")
        verbose_name_plural = _("sender states")
        default_permissions = ("view",)
        ordering = ["alias"]
        permissions = [("close_breaker", _("Can put a failing sender back in its place"))]

    def __str__(self) -> str:
        return self.alias
