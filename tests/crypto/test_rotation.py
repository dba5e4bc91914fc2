"""Keys that change while codes, credentials, limits and messages are on their way."""

import pytest

from django_verify import delivery, verifications
from django_verify.crypto import codes
from django_verify.models import Bucket, RateLimit, VerificationAttempt
from tests.conftest import OTHER_PHONE, PHONE, Api, code_in, make_account, make_service
from tests.scripted import Scripted, configured

pytestmark = pytest.mark.django_db(transaction=True)

OLD, NEW = "old key " + "o" * 60, "new key " + "n" * 60
QUEUED = {"DISPATCH": "tests.delivery.test_attempts.nobody"}


@pytest.fixture(params=["KEYS", "SECRET_KEY"])
def keys(request, settings, monkeypatch):
    """`keys(newest, *others)` puts these keys into force, as a ring or as Django's own."""
    monkeypatch.setattr(Scripted, "script", {})

    def use(*secrets, **values):
        if request.param == "KEYS":
            values["KEYS"] = {f"k{secret[:3]}": secret for secret in secrets}
        else:
            settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS = secrets
        settings.DJANGO_VERIFY = configured(aliases="a", **values)

    use(OLD)
    return use


@pytest.mark.parametrize("custom_code", ["", "Ab12Cd"], ids=["derived", "sealed"])
def test_a_code_outlives_the_rotation(keys, outbox, custom_code):
    service = make_service(custom_code_enabled=True)
    keys(OLD, **QUEUED)
    verifications.start(service, PHONE, custom_code=custom_code)
    keys(NEW, OLD)
    assert delivery.deliver_due() == 1  # queued before, composed after
    verifications.start(service, PHONE)
    verifications.start(service, OTHER_PHONE)
    texts = [message.code for message in outbox]
    assert texts[0] == texts[1] == (custom_code or code_in(outbox[0]))
    assert verifications.check(service, texts[0], to=PHONE).valid
    keys(NEW)
    assert verifications.check(service, texts[2], to=OTHER_PHONE).valid


@pytest.mark.parametrize("custom_code", ["", "Ab12Cd"], ids=["derived", "sealed"])
def test_a_queued_message_whose_key_is_gone_ends_honestly(keys, outbox, custom_code, caplog):
    service = make_service(custom_code_enabled=True)
    keys(OLD, **QUEUED)
    row = verifications.start(service, PHONE, custom_code=custom_code)
    keys(NEW)
    assert [delivery.deliver_due(), delivery.deliver_due()] == [1, 0]
    attempt = row.attempts.get()
    assert (attempt.message_status, attempt.messages, attempt.due_at) == ("failed", 0, None)
    assert "no longer configured" in attempt.error_message
    assert not outbox
    assert "Ab12Cd" not in caplog.text


def test_credentials_outlive_the_rotation(keys):
    account = make_account()
    api = Api(account.sid, account.token)
    keys(NEW, OLD)
    assert api.get("Services").status == 200
    keys(NEW)
    assert api.get("Services").status == 401


def test_counts_begin_anew_under_a_new_key(keys, service):
    """Soft limits are keyed by a fingerprint: a rotation forgets them, and breaks nothing."""
    limit = RateLimit.objects.create(service=service, unique_name="ip")
    Bucket.objects.create(rate_limit=limit, max=1, interval=3600)
    named = {"rate_limits": {"ip": "203.0.113.9"}}
    before = codes.fingerprint("203.0.113.9")
    verifications.start(service, PHONE, **named)
    keys(NEW, OLD)
    assert codes.fingerprint("203.0.113.9") != before
    verifications.start(service, PHONE, **named)
    assert VerificationAttempt.objects.filter(message_status="sent").count() == 2
