"""The page of the dashboard, in the place of a list, and its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from django_verify import health
from django_verify.admin import csv_files
from django_verify.admin.closed import ClosedAdmin, LookOnly
from django_verify.admin.dashboard import alarms, files, periods
from django_verify.admin.dashboard.first_steps import first_step
from django_verify.admin.dashboard.links import Links
from django_verify.admin.dashboard.numbers import numbers
from django_verify.admin.dashboard.periods import Asked, DashboardForm
from django_verify.admin.dashboard.plots import plots
from django_verify.admin.dashboard.sheet import Sheet
from django_verify.admin.dashboard.tables import tables
from django_verify.admin.figures import counted_as
from django_verify.admin.recipients import sees_recipients
from django_verify.models import Dashboard
from django_verify.models.rollups import begin_of


@admin.register(Dashboard)
class DashboardAdmin(LookOnly, ClosedAdmin):
    """A page in the place of a list: `/admin/django_verify/dashboard/`."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the viewer may see figures; they show no recipient."""
        return request.user.has_perm("django_verify.view_dashboard")

    def get_urls(self) -> list[URLPattern]:
        """Return the page and its files; there are no objects to show."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            path("export/<slug:table>/", wrap(self.export_view), name=f"{name}_export"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Return the page. Raises PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        now = timezone.now()
        form = DashboardForm(request.GET)
        asked = periods.read(form, now)
        sheet = Sheet.of(asked)
        links = Links(request, form, asked, self.admin_site)
        context = {
            "title": _("Dashboard"),
            "form": form,
            "period_said": _said(asked),
            "alarms": list(alarms.find(links, asked.filters, sheet.now.period, now)),
            "is_empty": not sheet.by_kind,
            "first_step": first_step(links) if not sheet.by_kind else None,
            "numbers": numbers(sheet, links, now),
            "plots": plots(sheet, links),
            "tables": list(tables(sheet, links)),
            "attempts_export": links.attempts_export(),
            "failures_export": links.attempts_export("failed"),
            "workers": health.worker_states(),
            "verifications_url": links.list_of("verification"),
            "has_view_permission": False,  # the breadcrumbs would link the page to itself
        }
        return self.page(request, "dashboard.html", None, context)

    def export_view(self, request: HttpRequest, table: str) -> HttpResponseBase:
        """Return a table, or the attempts, as a file. Raises PermissionDenied and Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        form = DashboardForm(request.GET)
        asked = periods.read(form, timezone.now())
        columns, lines = (
            self._attempts(request, asked)
            if table == "attempts"
            else files.of_table(table, Sheet.of(asked))
        )
        # Of the attempts there may be many.
        kind = StreamingHttpResponse if table == "attempts" else HttpResponse
        text = csv_files.stream(columns, lines)
        answer = kind(text, content_type="text/csv; charset=utf-8")
        name = f"verify-{table}-{asked.begin:%Y-%m-%d}.csv"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    def _attempts(
        self, request: HttpRequest, asked: Asked
    ) -> tuple[Sequence[str], Iterable[Mapping[str, str]]]:
        """Return columns and lines of the file of attempts. Raises PermissionDenied."""
        if not request.user.has_perm("django_verify.view_verificationattempt"):
            raise PermissionDenied
        counted = counted_as(request.GET.get("figure", ""))
        return files.ATTEMPT_COLUMNS, files.attempts(asked, sees_recipients(request), counted)


def _said(asked: Asked) -> str:
    """Return a period in words."""
    ends = (begin_of(asked.first), begin_of(asked.end))
    first, end = (date_format(timezone.localtime(m), "SHORT_DATETIME_FORMAT") for m in ends)
    return f"{first} – {end}"
