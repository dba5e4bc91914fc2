"""Lists of tables that grow without end: a stretch of rows, with a link to the one before it.

A stretch has a bound, so counting, filtering and sorting it cost the same however many rows there
are. It is found by the index of the column that the list walks along.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib.admin.filters import DateFieldListFilter
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from django_verify.admin.lists import ReadableList

#: Rows of a stretch.
REACH = 2000
#: The query parameter that names the row before which a stretch ends.
BEFORE = "before"


class StretchList(ReadableList):
    """The newest rows, or those before a row that the link of the last stretch names.

    Dates and a search that an index answers choose the rows of which a stretch is cut; all other
    filters choose within it.
    """

    #: A `ClosedAdmin`, which imports this module.
    model_admin: Any
    _bounds: dict[str, Any] | None = None
    #: The last row of the stretch, where rows may stand behind it.
    edge: Any = None

    def get_filters_params(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the parameters of the filters, of which ours is none."""
        found: dict[str, Any] = super().get_filters_params(*args, **kwargs)
        found.pop(BEFORE, None)
        return found

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """Return what the filters leave of the stretch."""
        rows: QuerySet[Any] = super().get_queryset(request, *args, **kwargs)
        if self._bounds is None:
            self._bounds = self._found(request)
        return rows.filter(**self._bounds)

    @property
    def earlier_url(self) -> str:
        """The query string of the stretch behind this one; empty where there is none."""
        return self.get_query_string({BEFORE: self.edge}) if self.edge else ""

    @property
    def newest_url(self) -> str:
        """The query string of the newest stretch; empty where this is it."""
        return self.get_query_string(remove=[BEFORE]) if BEFORE in self.params else ""

    def reach(self) -> int:
        """Return how many rows a stretch has."""
        return REACH

    def _found(self, request: HttpRequest) -> dict[str, Any]:
        """Return the look-ups that bound the stretch, which end it at its last row."""
        walk = self.model_admin.walk
        bounds = {f"{walk}__lt": end} if (end := self._end(walk)) else {}
        rows = self._ground(request).filter(**bounds).order_by(f"-{walk}")
        # The same column twice is one column to some versions of Django.
        columns = dict.fromkeys((walk, "pk"))
        reach = self.reach()
        last = rows.values_list(*columns)[reach - 1 : reach].first()
        if last:
            bounds[f"{walk}__gte"], self.edge = last[0], last[-1]
        return bounds

    def _end(self, walk: str) -> Any:
        """Return the value before which the stretch ends; None where no row is named."""
        named = self.params.get(BEFORE, "")
        try:
            key = self.model._meta.pk.to_python(named)  # noqa: SLF001 - a documented API
        except ValidationError:
            return None
        if not key or "\0" in named or walk == "pk":
            return None if "\0" in named else key
        return self.root_queryset.filter(pk=key).values_list(walk, flat=True).first()

    def _ground(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows of the time and of the search, where an index answers it."""
        rows = self.root_queryset.order_by()
        for spec in self.filter_specs:
            if isinstance(spec, DateFieldListFilter):
                rows = cast("QuerySet[Any]", spec.queryset(request, rows))
        if self.query and self.model_admin.is_indexed(request, self.query):
            rows, _ = self.model_admin.get_search_results(request, rows, self.query)
        return rows
