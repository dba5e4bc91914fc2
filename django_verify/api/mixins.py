"""The verbs of a resource, to be mixed in: Create, Fetch, List, Update, Delete."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db import DatabaseError, router
from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from django_verify.api import paging, wire
from django_verify.api.rows import insert, save_changes
from django_verify.db import retry, savepoints
from django_verify.exceptions import Conflict, NotFound
from django_verify.rest import bodies

DELETE_TRIES = 10


class Create:
    """POST on the collection: 201, or what the resource declares as `created`."""

    def create(self: Any, request: Request, **kwargs: str) -> Response:
        """Read the parameters and answer the new object."""
        obj = self.perform_create(**self.read(self.parameters))
        return Response(self.represent(obj), status=self.created)

    def perform_create(self: Any, *args: Any, **values: Any) -> Any:
        """Write a new object of its parent. Raises what the resource declares as `duplicate`."""
        obj = self.model(**{self.below: self.parent()}, **values)
        self.validate(obj, values)
        return self.insert(obj)

    def insert(self: Any, obj: Any) -> Any:
        """Write an object that is valid."""
        return insert(obj, self.duplicate)


class Fetch:
    """GET on the instance: 200."""

    def retrieve(self: Any, request: Request, **kwargs: str) -> Response:
        """Answer the object."""
        return Response(self.represent(self.get_object()))


class Update:
    """POST on the instance: 200; every parameter is optional, but for those of an update alone."""

    def update(self: Any, request: Request, **kwargs: str) -> Response:
        """Read the parameters and answer the changed object."""
        obj = self.get_object()
        changes = self.read(self.asked("update"), partial=self.update_parameters is None)
        return Response(self.represent(self.perform_update(obj, **changes)))

    def perform_update(self: Any, obj: Any, /, **values: Any) -> Any:
        """Write what was sent. Raises what the resource declares as `duplicate`."""
        for name, value in values.items():
            setattr(obj, name, value)
        self.validate(obj, values)
        save_changes(obj, [*values, "date_updated"], self.duplicate)
        return obj


class Delete:
    """DELETE on the instance: 204, no body."""

    def destroy(self: Any, request: Request, **kwargs: str) -> Response:
        """Delete the object and what belongs to it."""
        for _ in range(DELETE_TRIES):
            try:
                with savepoints.atomic(router.db_for_write(self.model)):
                    self.perform_destroy(self.get_object())
                return Response(status=204)
            except DatabaseError as error:
                if not retry.is_conflict(error):
                    raise
                # Something was added to it meanwhile, or another request waited for it.
        raise Conflict

    def perform_destroy(self, obj: Any) -> None:
        """Delete one object, in a transaction. Raises NotFound when another request was first."""
        _total, rows = obj.delete()
        # Another request may delete the row between our SELECT and our DELETE.
        if not rows.get(obj._meta.label):  # noqa: SLF001
            raise NotFound


class List:
    """GET on the collection: one page, newest first by default, with links to its neighbours."""

    def list(self: Any, request: Request, **kwargs: str) -> Response:
        """Answer one page; `Page` is the client's own count, `PageToken` decides."""
        values = bodies.query_values(request._request)  # noqa: SLF001
        if "pageToken" in values:  # so one of the device SDKs spells it
            values.setdefault("PageToken", values["pageToken"])
        query = wire.reader(self.filters).read(values)
        size, number = query.pop("page_size", 50), query.pop("page", 0)
        token = query.pop("page_token", "")
        oldest_first = self.oldest_first(query)
        ground = self.ground(self.get_queryset(), query)
        found = self.narrow(ground, **query)
        order = ["pk"] if self.timed_keys else ["date_created", "pk"]
        rows, after, before = paging.page(
            found,
            order,
            token,
            size,
            oldest_first=oldest_first,
            ground=ground if query else None,
        )
        links = {
            "first_page_url": self._page_url(size, 0),
            "previous_page_url": before and self._page_url(size, max(number - 1, 0), before),
            "url": self._page_url(size, number, token),
            "next_page_url": after and self._page_url(size, number + 1, after),
        }
        meta = {"page": number, "page_size": size, **links, "key": self.key}
        return Response({"meta": meta, self.key: [self.represent(row) for row in rows]})

    def ground(self, rows: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        """Return the rows that filters with an index leave; takes their parameters out."""
        return rows

    def narrow(self, rows: QuerySet[Any], **filters: Any) -> QuerySet[Any]:
        """Return the rows that the list's other filters leave, each of which is looked at."""
        return rows

    def oldest_first(self, query: dict[str, Any]) -> bool:
        """Return whether the list begins with the oldest; takes its own parameter out."""
        return False

    def _page_url(self: Any, size: int, number: int, token: str = "") -> str:
        """Return a page's URL with the request's own filters."""
        values = bodies.query_values(self.request._request)  # noqa: SLF001
        filters = {k: v for k, v in values.items() if not k.startswith(("Page", "pageToken"))}
        query = {**filters, "PageSize": size, "Page": number}
        if token:
            query["PageToken"] = token
        return f"{self.link(self.own_path())}?{urlencode(query, doseq=True)}"


class AllVerbs(Create, Fetch, List, Update, Delete):
    """All five."""
