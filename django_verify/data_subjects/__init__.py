"""Data subjects: what is stored about one person, given out or erased.

Which rows get old for everyone is `retention`'s. Nothing here is asked while codes are sent.
"""

from django_verify.data_subjects.erasing import Receipt, erase
from django_verify.data_subjects.exporting import export
from django_verify.data_subjects.people import Person, read

__all__ = ["Person", "Receipt", "erase", "export", "read"]
