"""The backend of django-phone-verify that sends nothing."""

from __future__ import annotations

from phone_verify.backends.base import BaseBackend


class NowhereBackend(BaseBackend):
    """Takes every message."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.exception_class = RuntimeError

    def send_sms(self, number: str, message: str) -> None:
        """Take one."""

    def send_bulk_sms(self, numbers: list[str], message: str) -> None:
        """Take several."""
