"""Columns that Django has not: identifiers as 16 bytes, sparse JSON, and numbers in E.164 alone."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.lookups import Exact, Lookup
from django.utils.translation import gettext_lazy as _
from phonenumber_field.phonenumber import PhoneNumber

from django_verify import sids

if TYPE_CHECKING:
    PhoneNumberField = models.CharField[Any, Any]
    CharField = models.CharField[str, str]
    JSONField = models.JSONField[Any, Any]
    AnyLookup = Lookup[Any]
else:
    from phonenumber_field.modelfields import PhoneNumberField

    CharField, JSONField, AnyLookup = models.CharField, models.JSONField, Lookup

_DIGITS = re.compile(r"[0-9a-fA-F]{0,32}\Z")


class SidField(CharField):
    """A SID with one prefix: text in Python, its 128 bits in the database.

    The column is a `uuid` on PostgreSQL, `binary(16)` on MySQL and MariaDB, whose own `uuid` sorts
    by its parts in an order that depends on the release, and `char(32)` elsewhere. So `gt` and
    `lt` go by the order of the text on every database. A look-up of what is no SID with this
    prefix finds nothing; saving it raises ValidationError.
    """

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        self.prefix = prefix
        super().__init__(**{"verbose_name": _("SID"), **kwargs, "max_length": sids.LENGTH})

    def deconstruct(self) -> Any:
        """Return what a migration needs; the length is not the caller's choice."""
        name, path, _args, kwargs = super().deconstruct()
        del kwargs["max_length"]
        return name, path, [self.prefix], kwargs

    def get_internal_type(self) -> str:
        """Return a name of its own, so that no backend converts the column in its own way."""
        return "SidField"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the narrowest type that sorts like the text."""
        return {"postgresql": "uuid", "mysql": "binary(16)"}.get(connection.vendor, "char(32)")

    def cast_db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the same for a cast."""
        return self.db_type(connection)

    def to_python(self, value: Any) -> Any:
        """Return the stored spelling. Raises ValidationError for what is no SID of this kind."""
        if value is None:
            return None
        if not sids.is_sid(self.prefix, str(value)):
            text = _("%(prefix)s and 32 hexadecimal digits.")
            raise ValidationError(text, code="invalid", params={"prefix": self.prefix})
        return sids.canonical(str(value))

    def get_prep_value(self, value: Any) -> Any:
        """Return the text as it is: what is no SID becomes NULL later, which equals nothing."""
        return value if value is None else str(value)

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        """Return the 128 bits as the driver takes them."""
        text = str(value)
        if not sids.is_sid(self.prefix, text):
            return None
        digits = text[2:].lower()
        # PostgreSQL reads a uuid from a text, over which its driver takes less time.
        return bytes.fromhex(digits) if connection.vendor == "mysql" else digits

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return the same for a row. Raises ValidationError, where a look-up would find nothing."""
        bits = self.get_db_prep_value(value, connection)
        if bits is None and not hasattr(value, "as_sql"):
            self.to_python(value)  # raises, unless it is None
        return value if bits is None else bits

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return the text."""
        if isinstance(value, uuid.UUID):
            value = value.hex
        elif isinstance(value, bytes):
            value = value.hex()
        return None if value is None else self.prefix + value


class Beginning(AnyLookup):
    """What begins so: a range, which an index answers. No other part of a SID means anything."""

    lookup_name = "startswith"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        """Compare with the first and the last SID that begin so."""
        field, value = self.lhs.output_field, str(self.rhs)
        digits = value[2:]
        if not (field.prefix.startswith(value[:2].upper()) and _DIGITS.match(digits)):
            raise EmptyResultSet
        column, params = self.process_lhs(compiler, connection)
        bounds = (field.prefix + digits.ljust(32, filler) for filler in "0f")
        values = [field.get_db_prep_value(bound, connection) for bound in bounds]
        return f"{column} BETWEEN %s AND %s", [*params, *values]


# The admin's searches ask with `contains` and `iexact`.
for _name in ("startswith", "istartswith", "contains", "icontains"):
    SidField.register_lookup(Beginning, _name)
SidField.register_lookup(Exact, "iexact")


class PhoneField(PhoneNumberField):
    """A number that is stored in E.164, whatever the host sets for its own columns.

    Under PHONENUMBER_DB_FORMAT "NATIONAL" a number of another country than
    PHONENUMBER_DEFAULT_REGION would come back as another person's.
    """

    def get_prep_value(self, value: Any) -> Any:
        """Return the number in E.164; one that is not valid as it was written."""
        number = self.to_python(value)
        if not isinstance(number, PhoneNumber):
            return number
        return e164(number)

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return the number; what is stored in another form stays a text, and nobody's number."""
        if not value or value.startswith("+"):
            return self.to_python(value)
        return PhoneNumber(raw_input=value)


class ListedPhoneField(PhoneField):
    """A number of a list, which no country's plan need have; its model looks at the form."""

    default_validators: list[Any] = []


def e164(number: Any) -> str:
    """Return a number in E.164, however the host formats numbers; an invalid one as written."""
    if isinstance(number, str):
        return number
    return str(number.as_e164 if number.is_valid() else number.raw_input)


class SparseJSONField(JSONField):
    """JSON that is empty in most rows, and NULL in the database then."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "null": True, "blank": True})

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return NULL for what is empty."""
        return super().get_db_prep_save(value, connection) if value else None

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return the field's default for NULL: an empty object, or an empty list."""
        found = super().from_db_value(value, expression, connection)
        return self.get_default() if found is None else found
