"""What an operator of a new site makes before there is anything to count."""

from __future__ import annotations

from typing import Any

from django_verify.admin import sentences
from django_verify.admin.dashboard.links import Links
from django_verify.models import Account, VerifyService


def first_step(links: Links) -> tuple[Any, Any, str] | None:
    """Return what is missing, the name of its list and its URL; None where nothing is."""
    for model in (Account, VerifyService):
        if not model.objects.exists():
            name = model._meta.verbose_name_plural  # noqa: SLF001 - a documented API
            url = links.list_of(model.__name__.lower())
            return sentences.EMPTY[model.__name__], name, url
    return None
