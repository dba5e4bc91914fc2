"""How a source is read: its pages, its refusals, and what is none."""

import pytest
from django.core.management.base import CommandError

from django_verify.models import VerifyService
from django_verify.moving import source
from tests.conftest import PHONE
from tests.moving.vendor import ACCOUNT, TOKEN, error, service, sid

pytestmark = [pytest.mark.django_db, pytest.mark.portable]


def test_all_pages_are_read(vendor, run):
    vendor.page_size = 2
    for number in range(1, 6):
        vendor.add(service(number))
    run()
    assert set(VerifyService.objects.values_list("sid", flat=True)) == {
        sid("VA", number) for number in range(1, 6)
    }
    asked = [query for _, _, path, query in vendor.seen if path == "Services"]
    assert [query.get("PageToken") for query in asked] == [None, "2", "4"]
    assert {(name, secret) for name, secret, *_ in vendor.seen} == {(ACCOUNT, TOKEN)}


def test_an_error_names_no_number_of_the_safe_list(vendor, run, tmp_path):
    numbers = tmp_path / "numbers"
    numbers.write_text(PHONE)
    vendor.objects[f"SafeList/Numbers/{PHONE}"] = {}
    with pytest.raises(CommandError, match="SafeList/Numbers: ") as caught:
        run("--safe-list", str(numbers))
    assert PHONE not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (401, 20003, "HTTP 401, error 20003: the credentials are wrong"),
        (403, 20403, "may not read it"),
        (404, 20404, "no such thing"),
        (302, None, "HTTP 302: refused"),
    ],
)
def test_a_refusal_ends_the_run_at_once(vendor, run, waits, status, code, sentence):
    vendor.refusals = [error(status, code, f"not for {TOKEN}")]
    with pytest.raises(CommandError, match=sentence) as caught:
        run()
    assert TOKEN not in str(caught.value)
    assert waits == []
    assert len(vendor.seen) == 1


def test_a_crowded_or_broken_source_is_asked_again(vendor, run, waits):
    vendor.add(service())
    vendor.refusals = [
        error(429, 20429, **{"retry-after": "7"}), error(429, 20429, **{"retry-after": "9999"}),
        error(503, 20503), (500, {}, b"<html>"),
    ]  # fmt: skip
    run()
    assert waits == [7, 120, 4, 8]
    assert VerifyService.objects.exists()


@pytest.mark.parametrize(
    ("status", "sentence"), [(429, "too many requests"), (500, "the API failed")]
)
def test_a_source_that_goes_on_refusing(vendor, run, waits, status, sentence):
    vendor.refusals = [error(status, 20000)] * 9
    with pytest.raises(CommandError, match=sentence):
        run()
    assert waits == [1, 2, 4, 8]


def test_nobody_answers(run, waits, vendor):
    url = vendor.url
    vendor.close()
    with pytest.raises(CommandError, match="Services"):
        run(base_url=url)
    assert len(waits) == 4


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"<html>", "no JSON object"),
        ({"hello": 1}, "no list of services"),
        ({"services": [{"sid": "no"}], "meta": {}}, "no SID VA"),
        (
            {"services": [], "meta": {"next_page_url": "https://elsewhere.example/"}},
            "leads out of /v2",
        ),
    ],
)
def test_what_is_no_verify_api(vendor, run, body, sentence):
    vendor.refusals = [(200, {}, body)]
    with pytest.raises(CommandError, match=sentence):
        run()


def test_an_answer_that_is_too_large(vendor, run, monkeypatch):
    monkeypatch.setattr(source, "MAX_BYTES", 64)
    vendor.add(service())
    with pytest.raises(CommandError, match="larger than 64 bytes"):
        run()


def test_pages_that_go_round_in_a_circle_end(vendor, run):
    meta = {"next_page_url": f"{vendor.url}/v2/Services?PageSize=50"}
    vendor.refusals = [(200, {}, {"services": [], "meta": meta})]
    with pytest.raises(CommandError, match="was there before"):
        run()


@pytest.mark.parametrize(
    "url",
    ["verify.twilio.com", "ftp://x.example", "http://x.example", "https://x:y", "https://a@b.c"],
)
def test_urls_that_are_not_called(run, url):
    with pytest.raises(CommandError, match=r"base URL is none|https alone") as caught:
        run(base_url=url)
    assert "tok" not in str(caught.value)


def test_a_base_url_may_end_in_v2(vendor, run):
    vendor.add(service())
    run(base_url=f"{vendor.url}/v2/")
    assert VerifyService.objects.exists()
