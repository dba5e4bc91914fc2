"""Phone numbers that are valid, and each used once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from django_verify.contact import phones

_AREAS = (201, 212, 213, 312, 415, 503, 617, 702, 808, 917)


def fresh(first: int = 0) -> Iterator[str]:
    """Yield North American numbers, spread over area codes; another `first`, other numbers."""
    for number in count(first):
        line, area = divmod(number, len(_AREAS))
        # Far from each other, as people's are: numbers that follow each other are an attack's.
        text = f"+1{_AREAS[area]}{2_000_000 + line * 2_654_435_761 % 4_194_304}"
        try:
            phones.parse(text)
        except ValueError:
            continue
        yield text
