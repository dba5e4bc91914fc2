"""The safe list: add a number, ask for it, take it off."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, router
from django.db.models import QuerySet
from rest_framework import serializers

from django_verify.api import wire
from django_verify.api.resource import Create, Delete, Fetch, Resource, only
from django_verify.contact import phones
from django_verify.db import savepoints
from django_verify.exceptions import AlreadySafeListed, InvalidParameter, NotFound
from django_verify.models import SafeListNumber


class SafeListParameters(wire.Parameters):
    """Of an addition."""

    PhoneNumber = wire.Text()


class SafeListAnswer(wire.Answer):
    """An entry."""

    sid = wire.SidOf("GN")
    phone_number = serializers.CharField()
    url = serializers.CharField()  # its `+` is written as it is


class SafeListViewSet(Create, Fetch, Delete, Resource):
    """`/SafeList/Numbers`: numbers are named by themselves, in any of their spellings."""

    path = "SafeList/Numbers"
    lookup = "phone_number"
    model = SafeListNumber
    parameters = SafeListParameters
    answer = SafeListAnswer

    def get_object(self) -> SafeListNumber:
        """Return the entry of the number in the path. Raises NotFound."""
        try:
            key = phones.parse(self.kwargs["phone_number"]).key
        except ValueError:
            raise NotFound from None
        rows: QuerySet[SafeListNumber] = self.get_queryset().filter(key=key)
        entry: SafeListNumber = only(rows)
        return entry

    def perform_create(self, phone_number: str) -> SafeListNumber:
        """Write the number; the unique constraint tells a second one, also a concurrent one."""
        try:
            given = phones.parse(phone_number)
        except ValueError as error:
            raise InvalidParameter("phone_number", str(error)) from None
        entry = SafeListNumber(account=self.account, phone_number=given.number)
        try:
            with savepoints.atomic(router.db_for_write(SafeListNumber)):
                entry.save(force_insert=True)
        except IntegrityError:
            raise AlreadySafeListed from None
        return entry

    def represent(self, entry: SafeListNumber) -> dict[str, Any]:
        """Return the contract's object; its URL has the number as it is, with `+`."""
        return {
            "sid": entry.sid,
            "phone_number": entry.number,
            "url": self.link(f"{self.path}/{entry.number}"),
        }
