"""Several processes of a site: what one of them changes, all others go by at their next request."""

import base64

import pytest
import requests
from django.db import connection

from django_verify.models import ApiKey, VerificationAttempt, VerifyService
from tests.conftest import make_key

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
]

WORKERS = 4


@pytest.fixture(scope="module")
def workers(site):
    return [site.web() for _ in range(WORKERS)]


@pytest.fixture
def ask(workers, provider, service, phones, only):
    """`ask(key)` starts a verification on each worker, and returns statuses and code lengths."""
    only(*workers)

    def start(key):
        basic = base64.b64encode(f"{key.sid}:{key.secret}".encode()).decode()
        statuses, lengths = [], []
        for worker in workers:
            answer = requests.post(
                f"{worker.url}v2/Services/{service.sid}/Verifications",
                {"To": next(phones), "Channel": "sms"},
                headers={"Authorization": f"Basic {basic}"},
                timeout=60,
            )
            statuses.append(answer.status_code)
            if answer.status_code == 201:
                row = VerificationAttempt.objects.latest("date_created").verification
                lengths.append(row.code_length)
        return statuses, lengths

    return start


def test_a_revoked_key_is_refused_by_each_at_its_next_request(ask, service):
    key = make_key(service.account)
    for _ in range(2):
        assert ask(key)[0] == [201] * WORKERS
    written = VerificationAttempt.objects.count()
    ApiKey.objects.filter(pk=key.pk).update(is_active=False)
    assert ask(key)[0] == [401] * WORKERS
    assert VerificationAttempt.objects.count() == written
    ApiKey.objects.filter(pk=key.pk).update(is_active=True)
    assert ask(key)[0] == [201] * WORKERS


def test_a_changed_code_length_counts_in_each_at_its_next_request(ask, service):
    key = make_key(service.account)
    for length in (6, 8, 5, 10):
        VerifyService.objects.filter(pk=service.pk).update(code_length=length)
        assert ask(key)[1] == [length] * WORKERS
