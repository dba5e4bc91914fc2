"""Recipients in full or masked, by what the viewer may see; and texts that may name one."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_verify import logs
from django_verify.messages import channels

Column = Callable[[Any, Any], str]


def sees_recipients(request: HttpRequest) -> bool:
    """Whether the viewer may see and search recipients in full."""
    return request.user.has_perm("django_verify.see_full_recipients")


def error_text(request: HttpRequest, text: str) -> str:
    """Return what a provider said; for viewers of masked recipients without what may be one."""
    return text if sees_recipients(request) else logs.without_numbers(text)


def in_full_and_masked(value: Callable[[Any], str], description: Any) -> tuple[Column, Column]:
    """Return two columns of an admin class: a value of a row, and the same mostly hidden."""

    @admin.display(description=description)
    def full(page: Any, obj: Any) -> str:
        return value(obj)

    @admin.display(description=description)
    def masked(page: Any, obj: Any) -> str:
        return channels.mask(value(obj))

    return full, masked


class RecipientColumns:
    """A recipient in full for viewers who may see it, and masked for the others.

    A class whose rows have it elsewhere makes these two columns anew.
    """

    full_recipient, masked_recipient = in_full_and_masked(attrgetter("to"), _("recipient"))

    def shown(self, request: HttpRequest, name: str = "recipient") -> str:
        """Return the name of the column that this viewer is shown."""
        return f"{'full' if sees_recipients(request) else 'masked'}_{name}"
