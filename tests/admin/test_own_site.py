"""A host's own admin site that has some of our pages alone."""

import datetime as dt

import pytest
from django.utils import timezone

from django_verify.models import SenderState, VerificationAttempt
from tests.admin.own_site import Urls
from tests.admin.test_dashboard import URL, decide, start
from tests.conftest import make_account, make_service

pytestmark = pytest.mark.django_db

ADMIN = "/admin/django_verify"


@pytest.fixture
def service():
    return make_service(make_account())


def test_a_site_without_a_dashboard_shows_services_and_providers(boss, settings, service):
    attempt = start(service).attempts.get()
    settings.ROOT_URLCONF = Urls("services")
    for path in (f"verifyservice/{service.pk}/change/", "senderstate/memory/change/"):
        assert boss.get(f"{ADMIN}/{path}").status_code == 200
    answer = boss.get(f"{ADMIN}/verifyservice/{service.pk}/test/?attempt={attempt.pk}")
    assert answer.context["details"] == ""


def test_a_site_with_a_dashboard_alone_shows_figures_without_lists(boss, settings, service):
    start(service)
    decide(service)
    now = timezone.now()
    SenderState.objects.create(alias="memory", failures=9, failing_since=now, open_until=now)
    VerificationAttempt.objects.update(message_status="queued", due_at=now - dt.timedelta(hours=1))
    settings.ROOT_URLCONF = Urls("figures")
    text = boss.get(URL).content.decode()
    assert "figure=" not in text
    assert "and no worker has ever run" in text
