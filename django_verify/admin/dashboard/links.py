"""The pages that the dashboard's numbers lead to, for viewers who may see them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.http import HttpRequest

from django_verify import conf
from django_verify.admin import pages
from django_verify.admin.dashboard.periods import NO_COUNTRY, Asked, DashboardForm, Span
from django_verify.models.rollups import begin_of


class Links:
    """The URLs of one page; each is empty for who may not see what it leads to."""

    def __init__(
        self, request: HttpRequest, form: DashboardForm, asked: Asked, site: AdminSite
    ) -> None:
        self._request, self._form, self._asked, self._site = request, form, asked, site
        self._lists: dict[str, str] = {}

    def list_of(self, model: str) -> str:
        """Return the list of a model, without the filters of the page."""
        if model not in self._lists:
            may_see = self._request.user.has_perm(f"django_verify.view_{model}")
            self._lists[model] = self._url(f"{model}_changelist") if may_see else ""
        return self._lists[model]

    def attempts(
        self, figure: str, span: Span | None = None, only: Mapping[str, str] | None = None
    ) -> str:
        """Return the list of the attempts that a number counts."""
        times = _times(span or self._asked)
        return self._filtered("verificationattempt", {"figure": figure}, times, only or {})

    def locked(self) -> str:
        """Return the list of the verifications that are locked now."""
        return self._filtered("verification", {"locked": "now"})

    def decisions(self, cause: str, outcome: str) -> str:
        """Return the list of the starts that were blocked for a cause."""
        asked = {"cause": cause, "outcome": outcome}
        return self._filtered("guarddecision", asked, _times(self._asked))

    def narrower(self, only: Mapping[str, str]) -> str:
        """Return the page itself with other filters."""
        return f"?{self._query(**only)}"

    def export(self, table: str) -> str:
        """Return the file of a table."""
        return self._file(table, self._query())

    def attempts_export(self, figure: str = "") -> str:
        """Return the file of the attempts, of those alone that a figure counts."""
        if not self.list_of("verificationattempt"):
            return ""
        query = "&".join(filter(None, (self._query(), figure and urlencode({"figure": figure}))))
        return self._file("attempts", query)

    def _file(self, table: str, query: str) -> str:
        return f"{self._url('dashboard_export', table)}{'?' if query else ''}{query}"

    def _filtered(self, model: str, *parts: Mapping[str, str]) -> str:
        """Return a list with the filters of the page, and with more, of which the last ones win."""
        if not self.list_of(model):
            return ""
        first, *rest = parts
        query = {**first, **self._given()}
        for part in rest:
            query |= part
        return f"{self.list_of(model)}?{urlencode(query)}"

    def _given(self) -> dict[str, str]:
        """Return the filters of the page as the lists take them."""
        filters = self._asked.filters
        given = {
            "country": NO_COUNTRY if filters.country == "" else filters.country,
            "service": filters.service,
            "channel": filters.channel,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _query(self, **more: str) -> str:
        """Return the page's own filters as a query string, with these changes."""
        kept = {name: self._form.data.get(name, "") for name in DashboardForm.base_fields}
        return urlencode({name: value for name, value in {**kept, **more}.items() if value})

    def _url(self, page: str, *args: str) -> str:
        return pages.url(self._site, f"django_verify_{page}", *args)


def _times(of: Asked | Span) -> dict[str, str]:
    """Return the begin and the end of a time as the lists take them."""
    return {"date_created__gte": _bound(of.first), "date_created__lt": _bound(of.end)}


def _bound(hour: int) -> str:
    """Return the begin of an hour as the lists take it in their URLs."""
    return conf.stored(begin_of(hour)).isoformat(sep=" ", timespec="seconds")
