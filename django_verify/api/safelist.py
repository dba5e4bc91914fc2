"""The safe list: add a number, ask for it, take it off."""

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import serializers

from django_verify.api import wire
from django_verify.api.mixins import Create, Delete, Fetch
from django_verify.api.resource import Resource
from django_verify.api.rows import insert, only
from django_verify.contact import phones
from django_verify.exceptions import AlreadySafeListed, InvalidParameter, NotFound
from django_verify.models import SafeListNumber
from django_verify.rest.answers import Answer


class SafeListParameters(wire.Parameters):
    """Of an addition."""

    PhoneNumber = wire.Text()


class SafeListAnswer(Answer):
    """An entry."""

    sid = wire.SidOf("GN")
    phone_number = serializers.CharField(source="number")
    url = wire.Link()  # its `+` is written as it is


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
            key = phones.listed(self.kwargs["phone_number"]).key
        except ValueError:
            raise NotFound from None
        rows: QuerySet[SafeListNumber] = self.get_queryset().filter(key=key)
        entry: SafeListNumber = only(rows)
        return entry

    def perform_create(self, phone_number: str) -> SafeListNumber:
        """Write the number; the unique constraint refuses a second one, also a concurrent one."""
        try:
            given = phones.listed(phone_number)
        except ValueError as error:
            raise InvalidParameter("phone_number", str(error)) from None
        entry = SafeListNumber(account=self.account, phone_number=given.number)
        return insert(entry, AlreadySafeListed)
