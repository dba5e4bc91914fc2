"""What providers have said is shown without recipients to viewers who do not see them."""

import base64

import pytest
from django.utils import timezone

from django_verify.contact import phones
from django_verify.models import SenderState
from tests.admin.test_dashboard import URL, start
from tests.conftest import make_account, make_service

pytestmark = pytest.mark.django_db

NUMBER = "14155552600"
# As Meta makes them: the number stands in it, and anyone can decode it.
WHATSAPP = "wamid." + base64.b64encode(
    b"\x1c\x18\x0b" + NUMBER.encode() + b"\x15\x02\x00\x11\x18\x129A3CA5B3D4CD6E67E7\x00"
).decode("ascii")
SAID = f"no route to {NUMBER} or ann@example.com"
ADMIN = "/admin/django_verify"
SIGHT = ("view_dashboard", "view_verification", "view_verificationattempt", "view_senderstate")


@pytest.fixture
def row():
    columns = {"message_status": "failed", "error_code": "550", "error_message": SAID}
    found = start(make_service(make_account()), provider_sid=WHATSAPP, **columns)
    now = timezone.now()
    SenderState.objects.create(
        alias="memory", failures=9, failing_since=now, open_until=now, last_error=SAID
    )
    return found


def pages(client, row):
    """Every page and file that has what the provider said."""
    attempt = row.attempts.get()
    for path in (
        *("dashboard/", f"verification/{row.pk}/change/", "senderstate/memory/change/"),
        *("senderstate/", "verificationattempt/", f"verificationattempt/{attempt.pk}/change/"),
    ):
        yield client.get(f"{ADMIN}/{path}").content.decode()
    yield client.get(f"{URL}export/attempts/").getvalue().decode()


def test_no_page_and_no_file_has_a_recipient_in_the_words_of_a_provider(clerk, row):
    for text in pages(clerk(*SIGHT), row):
        assert NUMBER not in text
        assert "ann@example.com" not in text
        assert WHATSAPP[:30] not in text


def test_who_sees_recipients_reads_all_of_it(clerk, row):
    texts = list(pages(clerk(*SIGHT, "see_full_recipients"), row))
    assert sum(WHATSAPP in text for text in texts) == 3
    assert sum(SAID in text for text in texts) == 4
    # The dashboard has no recipients for anybody.
    assert NUMBER not in texts[0]


def test_the_result_of_a_test_message_is_masked_too(clerk, row):
    client = clerk("view_senderstate", "test_sender")
    url = f"{ADMIN}/senderstate/memory/test/?attempt={row.attempts.get().pk}"
    text = client.get(url).content.decode()
    assert "no route to" in text
    assert NUMBER not in text


def test_an_id_of_whatsapp_keeps_its_end_alone():
    masked = phones.mask_within(f"{WHATSAPP}, SM0123456789")
    assert masked.startswith("wamid.*****")
    assert masked.endswith(f"*{WHATSAPP[-6:]}, SM0123456789")
