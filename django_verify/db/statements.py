"""Statements of the hot paths: their SQL is made by Django once, then bound, run and read.

To build a statement costs several times its execution. What stays the same is kept here for each
database: the SQL, the places of its values, and the fields' converters of what it returns. Nothing
here knows a model of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import groupby
from typing import Any, Generic, Self, TypeVar
from weakref import WeakSet

from django.core.exceptions import EmptyResultSet
from django.core.signals import setting_changed
from django.db import OperationalError, connections, transaction
from django.db.models import F, Field, Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.signals import ModelSignal, post_init, post_save, pre_init, pre_save
from django.db.models.sql import UpdateQuery
from django.db.models.sql.subqueries import InsertQuery

from django_verify.db import cursors, retry
from django_verify.db.sql import Converter, Open, Place, Sql, Values, converters_of, prepare

Row = TypeVar("Row", bound=Model)
#: A statement, and its values by the keys of its places.
Statement = tuple[Sql, Values]


class Select:
    """A query with open values, whose rows are tuples.

    `build` gets an `Open` for each of the `fields`, by name, and returns a query set of
    `values_list`. Everything else in it is fixed.
    """

    def __init__(self, build: Callable[..., Any], **fields: Field[Any, Any]) -> None:
        self._build, self._fields = build, fields
        self._compiled: dict[str, tuple[Sql, list[Converter]]] = {}
        _selects.add(self)

    def rows(self, using: str, **values: Any) -> list[list[Any]]:
        """Run the query on a database with these values."""
        connection = connections[using]
        if using not in self._compiled:
            self._compiled[using] = self._compile(using)
        sql, converters = self._compiled[using]
        tries = 0
        while True:
            try:
                with cursors.Kept(connection, sql) as cursor:
                    cursor.execute(*sql.bind(values, connection))
                    found = [list(row) for row in cursor.fetchall()]
                break
            except OperationalError as error:
                # As `retry.alone`, without another function in the way of each statement.
                tries += 1
                if tries >= retry.STATEMENT_TRIES or not retry.is_conflict(error):
                    raise
        for converter in converters:
            converter.apply(found, connection)
        return found

    def _compile(self, using: str) -> tuple[Sql, list[Converter]]:
        compiler = self._built().using(using).query.get_compiler(using)
        text, params = compiler.as_sql()
        return Sql(text, params), converters_of(compiler, [c for c, _, _ in compiler.select])

    def _built(self) -> Any:
        return self._build(**{name: Open(name, field) for name, field in self._fields.items()})


class UpdateReturning(Select):
    """A conditional UPDATE with open values, and the rows as it has left them.

    `build` returns a query set and the new values by their columns. It is a statement of PostgreSQL
    (and SQLite): MariaDB and MySQL return nothing from an UPDATE.
    """

    def _compile(self, using: str) -> tuple[Sql, list[Converter]]:
        rows, changes = self._built()
        query = rows.using(using).order_by().query.chain(UpdateQuery)
        query.add_update_values(changes)
        compiler = query.get_compiler(using)
        text, params = compiler.as_sql()
        options = rows.model._meta  # noqa: SLF001 - a documented API
        columns = [field.get_col(options.db_table) for field in options.concrete_fields]
        returned = ", ".join(compiler.compile(column)[0] for column in columns)
        return Sql(f"{text} RETURNING {returned}", params), converters_of(compiler, columns)


_selects: WeakSet[Select] = WeakSet()


def forget(*, setting: str = "USE_TZ", **_: Any) -> None:
    """Compile everything anew, as after a change of what decides how values are written and read.

    A site's settings stay as they are; those of tests change.
    """
    if setting in {"USE_TZ", "DATABASES"}:
        for select in _selects:
            select._compiled.clear()  # noqa: SLF001
        _update.cache_clear()
        _update_and_insert.cache_clear()
        _insert.cache_clear()


setting_changed.connect(forget, dispatch_uid="django_verify.statements")


class Rows(Generic[Row]):
    """The rows of a model under plain conditions, to be changed by one conditional UPDATE.

    It stands in for a query set where no more is asked than `filter` and `update`: conditions are
    look-ups by keyword, and an update of the same shape as an earlier one builds no SQL. What is
    more than that is left to a query set.
    """

    def __init__(self, model: type[Row], using: str, conditions: Mapping[str, Any]) -> None:
        self.model, self.db, self._conditions = model, using, conditions

    def filter(self, *conditions: Any, **lookups: Any) -> Self | QuerySet[Row]:
        """Return the rows for which these conditions hold as well."""
        # A second condition on a column is one more, and takes no place of the first.
        if conditions or lookups.keys() & self._conditions:
            return self._query_set().filter(*conditions, **lookups)
        return type(self)(self.model, self.db, {**self._conditions, **lookups})

    def update(self, **changes: Any) -> int:
        """Change the rows; return how many they were. `count__add=1` adds to what is there."""
        compiled = self._update(changes)
        if compiled is None:
            return retry.alone(self._query_set().update, **changes)
        sql, values = compiled
        return 0 if sql is None else run(self.db, (sql, values))

    def update_and_insert(self, changes: Mapping[str, Any], row: Model) -> int | None:
        """Change one row at most, and write a new one if it did, by one statement; return 1 or 0.

        None, and nothing is done, where the database has no such statement, the host is to hear of
        new rows, or a change is computed. A transaction would cost twice as much.
        """
        is_postgres = connections[self.db].vendor == "postgresql"
        compiled = self._update(changes)
        if not is_postgres or _is_heard(type(row), pre_save, post_save) or compiled is None:
            return None
        sql, values = compiled
        if sql is None:
            return 0
        both = _update_and_insert(sql, _insert(type(row), self.db))
        places: dict[Any, Any] = {**vars(row)}
        places.update(enumerate(values))
        hit = run(self.db, (both, places))
        if hit:
            _written(self.db, row)
        return hit

    def _update(self, changes: Mapping[str, Any]) -> tuple[Sql | None, list[Any]] | None:
        """Return the statement, None for one that meets no row, and its values.

        None alone where the database computes a new value.
        """
        if any(hasattr(value, "resolve_expression") for value in changes.values()):
            return None
        # None asks for another comparison, and a list for another number of places.
        fixed = {
            name: tuple(value) if isinstance(value, list | set) else value
            for name, value in self._conditions.items()
            if isinstance(value, list | tuple | set | frozenset)
            or value is None
            or name.endswith("__isnull")
        }
        where = {n: value for n, value in self._conditions.items() if n not in fixed}
        sql = _update(self.model, self.db, tuple(where), tuple(fixed.items()), tuple(changes))
        return sql, [*where.values(), *changes.values()]

    def _query_set(self) -> QuerySet[Row]:
        rows = self.model._default_manager.using(self.db).order_by()  # noqa: SLF001
        return rows.filter(**self._conditions)


#: What a conditional update is run on.
AnyRows = Rows[Any] | QuerySet[Any]


@cache
def _update(
    model: type[Model],
    using: str,
    where: tuple[str, ...],
    fixed: tuple[tuple[str, Any], ...],
    changed: tuple[str, ...],
) -> Sql | None:
    rows = model._base_manager.using(using).order_by()  # noqa: SLF001
    opened = {name: Open(key, _field(model, name)) for key, name in enumerate(where)}
    keys = enumerate(changed, len(where))
    try:
        query: Any = rows.filter(**dict(fixed), **opened).query.chain(UpdateQuery)
        query.add_update_values(dict(_change(model, name, key) for key, name in keys))
        text, params = query.get_compiler(using).as_sql()
    except EmptyResultSet:
        return None
    return Sql(text, params)


@cache
def _update_and_insert(update: Sql, insert: Sql) -> Sql:
    """Return the statement of PostgreSQL that inserts a row for each that it updates."""
    head, _, places = insert.text.partition(" VALUES ")
    # Texts that Django made; what is written is bound.
    new = f"{head} SELECT {places[1:-1]} FROM changed"  # noqa: S608
    text = f"WITH changed AS ({update.text} RETURNING 1) {new}"
    return Sql(text, [*update.params, *insert.params])


def _change(model: type[Model], name: str, key: int) -> tuple[str, Any]:
    """Return a column and its new value."""
    value = Open(key, _field(model, name), save=True)
    column = name.removesuffix("__add")
    return column, value if column == name else F(column) + value


def _field(model: type[Model], lookup: str) -> Any:
    """Return the column that a look-up such as `expires_at__gt` compares."""
    name, options = lookup.partition("__")[0], model._meta  # noqa: SLF001 - a documented API
    return options.pk if name == "pk" else options.get_field(name)


def insert(using: str, *rows: Model, beside: Statement | None = None) -> None:
    """Write new rows as `save(force_insert=True)` does, those of one model by one statement.

    See `are_one_statement` for those of several; where it holds, another statement may be a part of
    theirs, `beside` them. A key that the database draws is not read back.
    """
    if not rows:
        return
    if any(_is_heard(type(row), pre_save, post_save) for row in rows):
        for row in rows:
            row.save(using=using, force_insert=True)
        return
    inserts = [_inserts(using, list(alike)) for _, alike in groupby(rows, type)]
    # PostgreSQL runs the last one first, and the others from the last to the first: what is beside
    # the rows is locked before them, as by who runs it before them.
    run(using, *inserts, *([beside] if beside else []))
    _written(using, *rows)


def are_one_statement(using: str, *models: type[Model]) -> bool:
    """Whether `insert` writes new rows of these models, all or none, without a transaction.

    PostgreSQL takes several INSERTs as one statement, at half of the price of a transaction around
    them. A host that is to hear of rows has each saved by itself.
    """
    is_postgres = connections[using].vendor == "postgresql"
    return is_postgres and not any(_is_heard(model, pre_save, post_save) for model in models)


def _written(using: str, *rows: Model) -> None:
    """Note that rows are in a database, or a later `save` would insert them again."""
    for row in rows:
        row._state.adding, row._state.db = False, using  # noqa: SLF001


def _inserts(using: str, rows: Sequence[Model]) -> Statement:
    """Return the statement that writes rows of one model, and its values."""
    values = vars(rows[0])
    for number, row in enumerate(rows[1:], 1):
        values = values | {f"{name} {number}": value for name, value in vars(row).items()}
    return _insert(type(rows[0]), using, len(rows)), values


def _is_heard(model: type[Model], *signals: ModelSignal) -> bool:
    """Whether the host is to hear of a model's rows by one of these signals.

    The answer of a signal is kept for as long as it has the same receivers, which are a list that
    grows at its end: to ask takes longer than to prepare a row.
    """
    for signal in signals:
        receivers = signal.receivers
        if not receivers:
            continue
        number, latest, is_heard = _heard.get((signal, model), (0, None, False))
        if number != len(receivers) or latest is not receivers[-1]:
            is_heard = signal.has_listeners(model)
            _heard[signal, model] = len(receivers), receivers[-1], is_heard
        if is_heard:
            return True
    return False


_heard: dict[tuple[ModelSignal, type[Model]], tuple[int, Any, bool]] = {}


@cache
def _insert(model: type[Model], using: str, number: int = 1) -> Sql:
    options = model._meta  # noqa: SLF001
    fields = [each for each in options.concrete_fields if each is not options.auto_field]
    query = InsertQuery(model)
    query.insert_values(fields, [model(**{field.attname: None for field in fields})], raw=True)
    ((text, _params),) = query.get_compiler(using).as_sql()
    places = text.partition(" VALUES ")[2]
    names = ["", *(f" {each}" for each in range(1, number))]
    return Sql(
        text + f", {places}" * (number - 1),
        [Place(f.attname + name, prepare(f, save=True)) for name in names for f in fields],
    )


def run(using: str, *statements: Statement) -> int:
    """Run statements, as one where that can be; return how many rows the last of them met."""
    connection = connections[using]
    bound = [sql.bind(values, connection) for sql, values in statements]
    if len(bound) > 1 and connection.vendor == "postgresql":
        text = _as_one(tuple([text for text, _ in bound]))
        bound = [(text, [value for _, params in bound for value in params])]
    key, tries = tuple([sql for sql, _ in statements]), 0
    while True:
        try:
            with (
                transaction.mark_for_rollback_on_error(using),
                cursors.Kept(connection, key) as cursor,
            ):
                for text, params in bound:
                    cursor.execute(text, params)
                count: int = cursor.rowcount
            break
        except OperationalError as error:
            tries += 1
            # Several have a transaction around them, which is to run again as a whole.
            if len(bound) > 1 or tries >= retry.STATEMENT_TRIES or not retry.is_conflict(error):
                raise
    return count


@lru_cache(maxsize=100)
def _as_one(texts: tuple[str, ...]) -> str:
    """Return the statement of PostgreSQL that does what several do which read nothing."""
    *first, last = texts
    parts = ", ".join(f"part{number} AS ({text})" for number, text in enumerate(first))
    return f"WITH {parts} {last}"


def loaded(model: type[Row], using: str, columns: Mapping[str, Any]) -> Row:
    """Return a row that was read; a column that was not is read when it is asked for."""
    if _is_heard(model, pre_init, post_init):
        fields = model._meta.concrete_fields  # noqa: SLF001 - a documented API
        # Django takes the values in the order of the fields, whatever the names say.
        names = [field.attname for field in fields if field.attname in columns]
        return model.from_db(using, names, [columns[name] for name in names])
    row = _made(model, columns)
    row._state.adding, row._state.db = False, using  # noqa: SLF001
    return row


def new(model: type[Row], **columns: Any) -> Row:
    """Return a row to be written, with the fields' defaults for the columns that are not given."""
    fixed, made = _defaults(model)
    columns = {**fixed, **columns}
    for name, default in made:
        if name not in columns:
            columns[name] = default()
    is_heard = _is_heard(model, pre_init, post_init)
    return model(**columns) if is_heard else _made(model, columns)


def relate(row: Model, **others: Model) -> None:
    """Give a row the objects to which it refers already: Django's way asks the router for each."""
    row._state.fields_cache.update(others)  # noqa: SLF001


def _made(model: type[Row], columns: Mapping[str, Any]) -> Row:
    """Return a row at a tenth of the price of the model's constructor."""
    row = model.__new__(model)
    vars(row).update(columns)
    vars(row)["_state"] = ModelState()
    return row


@cache
def _defaults(model: type[Model]) -> tuple[dict[str, Any], list[tuple[str, Callable[[], Any]]]]:
    """Return the fields' defaults, those that are one value and those that are made each time."""
    fields = model._meta.concrete_fields  # noqa: SLF001 - a documented API
    made = [field for field in fields if field.has_default() and callable(field.default)]
    fixed = {field.attname: field.get_default() for field in fields if field not in made}
    return fixed, [(field.attname, field.default) for field in made]
