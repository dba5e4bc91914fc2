"""The test kit: messages, time, reports and faults of providers, for the tests of a site.

`plugin` has pytest's fixtures, `VerifyTestCase` the same for unittest, `for_tests` the settings.
Nothing is imported before it is used, because pytest loads the plugin in every project. Verbs are
not here: tests call those of the rooms, or the site's own views.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django_verify.testing.cases import VerifyTestCase
    from django_verify.testing.kit import Kit
    from django_verify.testing.settings import for_tests

__all__ = ["Kit", "VerifyTestCase", "for_tests"]

_PLACES = {"Kit": "kit", "VerifyTestCase": "cases", "for_tests": "settings"}


def __getattr__(name: str) -> Any:
    """Return a public name from its module."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
