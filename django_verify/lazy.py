"""Modules that are imported when one of their names is first used, not when they are named.

For what most processes of a site never use, and would pay for at their start: HTTP, keys and seals.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    """Takes the place of a module."""

    def __getattr__(self, name: str) -> Any:
        """Return it from the real one, which is imported by the first of them."""
        return getattr(import_module(self.__name__), name)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse, for the real one would not know: replace a name by its dotted path."""
        raise AttributeError(f"{self.__name__} is imported when used: set {name!r} on the real one")


def module(name: str) -> Any:
    """Return what imports a module at its first use.

    A room has it in its `__init__` under the module's own name, so that others import it as ever.
    """
    return _Lazy(name)
