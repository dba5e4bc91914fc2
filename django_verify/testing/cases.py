"""The kit for unittest: a mixin for Django's test cases."""

from __future__ import annotations

import unittest
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from django_verify.models import VerifyService
from django_verify.testing.clock import Clock
from django_verify.testing.kit import NO_CLIENT, Kit
from django_verify.testing.recorder import Failures, Outbox
from django_verify.testing.reports import Reports


class VerifyTestCase(unittest.TestCase):
    """Goes before Django's class: `class SignUpTests(VerifyTestCase, TestCase)`.

    It has what the fixtures of pytest have, under the same names. A `setUp` of your own begins with
    `super().setUp()`. `verify_service` is made when a test first asks for it, with the fields in
    `verify_service_fields`; `twilio_client` is for a `LiveServerTestCase`.
    """

    verify_service_fields: dict[str, Any] = {}
    verify_kit: Kit

    def setUp(self) -> None:
        """Begin with an empty outbox, and the time as it is."""
        super().setUp()
        self.verify_kit = self.enterContext(Kit())
        # unittest may run one case twice.
        for name in ("verify_service", "twilio_client"):
            vars(self).pop(name, None)

    @property
    def verify_outbox(self) -> Outbox:
        """The messages that were sent in this test, oldest first."""
        return self.verify_kit.outbox

    @property
    def verify_clock(self) -> Clock:
        """The clock of every verb."""
        return self.verify_kit.clock

    @property
    def verify_reports(self) -> Reports:
        """What the providers report."""
        return self.verify_kit.reports

    @property
    def verify_failures(self) -> Failures:
        """Faults of the providers."""
        return self.verify_kit.failures

    @cached_property
    def verify_service(self) -> VerifyService:
        """A service, open to apps and pages."""
        return self.verify_kit.service(**self.verify_service_fields)

    @cached_property
    def twilio_client(self) -> Any:
        """The vendor's own client, as an account of the test, against the live server."""
        if find_spec("twilio") is None:
            self.skipTest(NO_CLIENT)
        url = getattr(self, "live_server_url", "")
        if not url:
            raise TypeError("twilio_client needs Django's LiveServerTestCase")
        return self.verify_kit.twilio_client(url)

    def verify_settings(self, **changes: Any) -> None:
        """Change keys of `DJANGO_VERIFY` for this test."""
        self.verify_kit.settings(**changes)

    def verify_code(self, recipient: str) -> str:
        """Return the code that was last sent to a recipient. Raises LookupError."""
        return self.verify_kit.code(recipient)
