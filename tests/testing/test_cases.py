"""The mixin for unittest has what the fixtures have, under their names."""

import unittest

import pytest
from django.test import LiveServerTestCase, TestCase

from django_verify import conf, verifications
from django_verify.models import VerificationAttempt
from django_verify.testing import VerifyTestCase, cases
from tests.conftest import PHONE

pytestmark = pytest.mark.portable


class KitTests(VerifyTestCase, TestCase):
    verify_service_fields = {"friendly_name": "Shop"}

    def start(self):
        started = verifications.start(self.verify_service, PHONE)
        return VerificationAttempt.objects.get(verification=started)

    def test_a_code(self):
        assert self.start().message_status == "sent"
        assert "Shop" in self.verify_outbox[0].body
        assert verifications.check(self.verify_service, self.verify_code(PHONE), to=PHONE).valid
        assert self.verify_service is self.verify_service

    def test_the_outbox_is_empty_at_first(self):
        assert self.verify_outbox == []
        assert self.verify_kit.notifications == []

    def test_faults_and_reports(self):
        self.verify_failures.refuse(times=1)
        assert self.start().message_status == "failed"
        verifications.start(self.verify_service, PHONE)
        assert self.verify_reports.delivered(PHONE)

    def test_time(self):
        attempt = self.start()
        self.verify_clock.shift(minutes=11)
        assert attempt.verification.is_over(self.verify_clock.now)

    def test_settings(self):
        self.verify_settings(SHOW_FRAUD_BLOCKS=True)
        assert conf.current().SHOW_FRAUD_BLOCKS

    def test_the_client_needs_a_server(self):
        with pytest.raises(TypeError, match="LiveServerTestCase"):
            self.twilio_client  # noqa: B018 - raises

    def test_a_client_that_is_not_installed(self):
        find_spec, cases.find_spec = cases.find_spec, lambda name: None
        try:
            with pytest.raises(unittest.SkipTest, match="pip install twilio"):
                self.twilio_client  # noqa: B018 - raises
        finally:
            cases.find_spec = find_spec


class ClientTests(VerifyTestCase, LiveServerTestCase):
    def test_the_vendors_client(self):
        scope = self.twilio_client.verify.v2.services(self.verify_service.sid)
        scope.verifications.create(to=PHONE, channel="sms")
        assert scope.verification_checks.create(to=PHONE, code=self.verify_code(PHONE)).valid
