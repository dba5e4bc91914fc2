"""Loads every backend: an entry of `DJANGO_VERIFY` becomes an instance, built once.

An entry is {"BACKEND": dotted path of a class, "OPTIONS": its keyword arguments}, or the dotted
path alone. What a backend does is defined by the base class in its room.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from importlib.util import find_spec
from inspect import signature
from typing import Any, Generic, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_verify import conf

T = TypeVar("T")

_every: list[Backends[Any]] = []


class Backends(Generic[T]):
    """The backends of one key of `DJANGO_VERIFY`, all of them subclasses of `base`.

    `aliases` are the only ones that there may be; without any, a site chooses its own. Threads
    share an instance, and with it the access tokens and connections that it keeps; Django's own
    handler of backends builds one for each thread.
    """

    def __init__(self, key: str, base: type[T], aliases: Collection[str] = ()) -> None:
        self.where, self.key, self.base = f"DJANGO_VERIFY[{key!r}]", key, base
        self.aliases = aliases
        _every.append(self)

    @cached_property
    def by_alias(self) -> dict[str, T]:
        """Every backend of a key that maps aliases to entries; its first argument is its alias.

        Raises ImproperlyConfigured, as `load` does.
        """
        entries: Mapping[str, Any] = getattr(conf.current(), self.key)
        if self.aliases:
            _refuse_unknown(entries, self.aliases, self.where, "alias")
        return {
            alias: load(entry, f"{self.where}[{alias!r}]", self.base, alias)
            for alias, entry in entries.items()
        }

    @cached_property
    def single(self) -> T | None:
        """The backend of a key that holds one entry; None where it holds none.

        Raises ImproperlyConfigured, as `load` does.
        """
        entry = getattr(conf.current(), self.key)
        return None if entry is None else load(entry, self.where, self.base)

    def __getitem__(self, alias: str) -> T:
        """Return the backend of an alias. Raises ImproperlyConfigured for an unknown one."""
        try:
            return self.by_alias[alias]
        except KeyError:
            hint = conf.did_you_mean(alias, self.by_alias)
            raise ImproperlyConfigured(f"{self.where} has no {alias!r}.{hint}") from None


def load(entry: Any, where: str, base: type[T], *args: Any) -> T:
    """Return the instance that an entry describes; `where` is what an error calls the entry.

    Raises ImproperlyConfigured for a class that cannot be imported or is no subclass of `base`,
    for an option that it does not know, with the nearest one that it does, and for any error of
    its own while it is built.
    """
    if isinstance(entry, str):
        entry = {"BACKEND": entry}
    if not (isinstance(entry, Mapping) and isinstance(entry.get("BACKEND"), str)):
        raise ImproperlyConfigured(f"{where}: BACKEND must be a dotted path.")
    _refuse_unknown(entry, ("BACKEND", "OPTIONS"), where, "key")
    options = entry.get("OPTIONS", {})
    if not isinstance(options, Mapping):
        raise ImproperlyConfigured(f"{where}: OPTIONS must be a dictionary.")
    try:
        backend = import_string(entry["BACKEND"])
    except ImportError as error:
        raise ImproperlyConfigured(f"{where}: {error}") from error
    if not (isinstance(backend, type) and issubclass(backend, base)):
        raise ImproperlyConfigured(f"{where}: {backend!r} is no {base.__name__}.")
    # Compared before the call, so that a misspelt option is named with the one that was meant.
    parameters = list(signature(backend).parameters.values())[len(args) :]
    if not any(one.kind is one.VAR_KEYWORD for one in parameters):
        _refuse_unknown(options, [one.name for one in parameters], where, "option")
    try:
        return backend(*args, **options)
    except Exception as error:
        raise ImproperlyConfigured(f"{where}: {error}") from error


def installed(*modules: str) -> bool:
    """Whether these modules of optional libraries can be found; none of them is imported.

    A finder may raise instead of finding nothing: where a parent package is missing, where another
    library has a part of the namespace, and where the module was removed on purpose.
    """
    try:
        return all(find_spec(module) is not None for module in modules)
    except (ImportError, ValueError):
        return False


def _refuse_unknown(given: Iterable[Any], known: Collection[str], where: str, what: str) -> None:
    for name in given:
        if name not in known:
            hint = conf.did_you_mean(name, known)
            raise ImproperlyConfigured(f"{where}: unknown {what} {name!r}.{hint}")


def forget(*, setting: str = "", **_: object) -> None:
    """Build every backend anew: the receiver of Django's `setting_changed`."""
    if setting in {"", "DJANGO_VERIFY"}:
        for backends in _every:
            vars(backends).pop("by_alias", None)
            vars(backends).pop("single", None)


setting_changed.connect(forget)
