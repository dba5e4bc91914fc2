"""Attempts and their summary: filters, figures, pages, and what each channel reports."""

import datetime as dt

import pytest
import time_machine
from django.utils import timezone

from django_verify.api import paging
from django_verify.api.summaries import percentage
from django_verify.models import Verification, VerificationAttempt
from tests.conftest import OTHER_PHONE, PHONE, Api, code_in, make_account, make_service

pytestmark = pytest.mark.django_db(transaction=True)

BERLIN = "+4915112345678"


@pytest.fixture
def start(api, service):
    def call(to=PHONE, channel="sms", **form):
        form = {"To": to, "Channel": channel, **form}
        answer = api.post(f"Services/{service.sid}/Verifications", form)
        assert answer.status == 201, answer.data
        return answer.data["sid"]

    return call


@pytest.fixture
def approve(api, service):
    def call(sid):
        path = f"Services/{service.sid}/Verifications/{sid}"
        assert api.post(path, {"Status": "approved"}).status == 200

    return call


def listed(api, **query):
    answer = api.get("Attempts", **query)
    assert answer.status == 200, answer.data
    return [row["channel_data"]["to"] for row in answer.data["attempts"]]


def rename(query):
    return {name.replace("_", "."): value for name, value in query.items()}


def test_one_attempt(api, service, start, clock):
    verification = start(Locale="es")
    VerificationAttempt.objects.update(
        price_value="0.005", price_currency="USD", message_status="undelivered", error_code="30008"
    )
    carrier = {"mobile_country_code": "732", "mobile_network_code": "103", "name": "Tigo"}
    Verification.objects.update(lookup={"carrier": carrier})
    (found,) = api.get("Attempts").data["attempts"]
    sid = found["sid"]
    assert found == {
        "sid": sid,
        "account_sid": service.account_id,
        "service_sid": service.sid,
        "verification_sid": verification,
        "date_created": "2026-03-01T12:00:00Z",
        "date_updated": "2026-03-01T12:00:00Z",
        "conversion_status": "unconverted",
        "channel": "sms",
        "price": {"value": "0.005", "currency": "usd"},
        "channel_data": {
            "verification_sid": verification,
            "to": PHONE,
            "status": "unconfirmed",
            "message_status": "undelivered",
            "error_code": "30008",
            "country": "US",
            "code_length": 6,
            "locale": "es",
            "mcc": "732",
            "mnc": "103",
            "carrier": "Tigo",
        },
        "url": f"http://testserver/v2/Attempts/{sid}",
    }
    assert api.get(f"Attempts/{sid}").data == found
    assert api.get(f"Attempts/VL{sid[2:].upper()}").data == found


def test_what_a_channel_reports(api, start):
    start(channel="call")
    start("jo@example.com", "email")
    mail, call = api.get("Attempts").data["attempts"]
    assert (call["channel"], call["channel_data"]["call_status"]) == ("call", "in-progress")
    assert "message_status" not in call["channel_data"]
    assert (mail["channel_data"]["country"], mail["channel_data"]["mcc"]) == (None, None)
    assert (mail["channel_data"]["message_status"], mail["price"]) == ("sent", None)
    VerificationAttempt.objects.filter(channel="call").update(channel="rcs")
    assert api.get("Attempts", Channel="rbm").data["attempts"][0]["channel"] == "rbm"


def test_every_attempt_of_an_approved_verification_is_converted(api, start, service, outbox):
    start()
    start()
    start(OTHER_PHONE)
    form = {"To": PHONE, "Code": code_in(outbox[0])}
    api.post(f"Services/{service.sid}/VerificationCheck", form)
    rows = api.get("Attempts").data["attempts"]
    assert [row["conversion_status"] for row in rows] == ["unconverted", "converted", "converted"]
    assert [row["channel_data"]["status"] for row in rows] == [
        "unconfirmed", "confirmed", "confirmed",
    ]  # fmt: skip


def test_an_attempt_expires_with_its_verification(api, start, clock):
    start()
    clock.shift(600)
    assert api.get("Attempts").data["attempts"][0]["channel_data"]["status"] == "expired"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [BERLIN, "jo@example.com", PHONE, PHONE]),
        ({"Channel": "sms"}, [BERLIN, PHONE]),
        ({"Channel": "whatsapp"}, []),
        ({"Country": "DE"}, [BERLIN]),
        ({"Country": "us", "Channel": "call"}, [PHONE]),
        ({"ChannelData_To": PHONE}, [PHONE, PHONE]),
        ({"ChannelData_To": OTHER_PHONE}, []),
        ({"ChannelData_To": "jo@EXAMPLE.com"}, ["jo@example.com"]),
        ({"ChannelData_To": "jo+x@example.com"}, []),
        ({"Status": "converted"}, [BERLIN]),
        ({"Status": "UNCONVERTED"}, ["jo@example.com", PHONE, PHONE]),
        ({"VerifyServiceSid": "VA" + "0" * 32}, []),
        ({"VerificationSid": "VE" + "0" * 32}, []),
        ({"DateCreatedAfter": "2026-03-01T12:00:30Z"}, [BERLIN]),
        ({"DateCreatedAfter": "2026-03-01T12:01:00.25Z"}, [BERLIN]),
        ({"DateCreatedAfter": "2026-03-01T13:01:00+01:00"}, [BERLIN]),
        ({"DateCreatedBefore": "2026-03-01T12:01:00.25Z"}, ["jo@example.com", PHONE, PHONE]),
        ({"DateCreatedAfter": "2020-01-01T00:00:00Z", "Country": "DE"}, [BERLIN]),
        ({"Unknown": "x"}, [BERLIN, "jo@example.com", PHONE, PHONE]),
    ],
)
def test_filters(api, start, approve, clock, query, found):
    start()
    start(channel="call")
    start("jo@example.com", "email")
    clock.shift(60)
    approve(start(BERLIN))
    assert sorted(listed(api, **rename(query))) == sorted(found)


def test_by_service_and_verification(api, account, service, start):
    sid = start()
    start(OTHER_PHONE)
    other = make_service(account)
    api.post(f"Services/{other.sid}/Verifications", {"To": BERLIN, "Channel": "sms"})
    assert listed(api, VerificationSid=f"VE{sid[2:].upper()}") == [PHONE]
    assert listed(api, VerifyServiceSid=other.sid) == [BERLIN]
    assert set(listed(api, VerifyServiceSid=service.sid)) == {PHONE, OTHER_PHONE}


def test_every_spelling_of_a_number_is_found(api, start):
    start("+5491123456789")
    assert listed(api, **{"ChannelData.To": "+541123456789"}) == ["+5491123456789"]


@pytest.mark.parametrize("path", ["Attempts", "Attempts/Summary"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DateCreatedAfter", "yesterday"),
        ("DateCreatedAfter", "2026-03-01"),
        ("DateCreatedAfter", "2026-03-01T12:00:00"),
        ("DateCreatedBefore", "2026-02-30T12:00:00Z"),
        ("DateCreatedBefore", "2026-03-01T12:00:00Z\n"),
        ("DateCreatedBefore", "0001-01-01T00:00:00+23:59"),
        ("DateCreatedBefore", "２026-03-01T12:00:00Z"),
        ("Country", "USA"),
        ("Country", ""),
        ("Country", "ÜS"),
        ("Channel", "SMS"),
        ("Channel", "rcs"),
        ("VerifyServiceSid", "VE" + "0" * 32),
        ("VerifyServiceSid", "x"),
    ],
)
def test_bad_filters(api, path, name, value):
    answer = api.get(path, **{name: value})
    assert (answer.status, answer.data["code"]) == (400, 60200), answer.data
    assert answer.data["message"].startswith(f"Invalid parameter `{name}`: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ChannelData.To", "x"),
        ("ChannelData.To", "+1 415"),
        ("ChannelData.To", ""),
        ("VerificationSid", "VA" + "0" * 32),
        ("Status", "done"),
        ("Country", ["US", "DE"]),
    ],
)
def test_bad_filters_of_the_list(api, name, value):
    answer = api.get("Attempts", **{name: value})
    assert (answer.status, answer.data["code"]) == (400, 60200)
    assert answer.data["message"].startswith(f"Invalid parameter `{name}`: ")


def test_links_keep_the_filters(api, start):
    for number in range(5):
        start(f"+1415555267{number}")
    query = {"Country": "US", "PageSize": "2", "DateCreatedAfter": "2020-01-01T00:00:00Z"}
    answer = api.get("Attempts", **query)
    seen = []
    while True:
        seen += [row["channel_data"]["to"] for row in answer.data["attempts"]]
        url = answer.data["meta"]["next_page_url"]
        if url is None:
            break
        assert "Country=US" in url
        assert "DateCreatedAfter=2020-01-01T00%3A00%3A00Z" in url
        answer = api.get(url.removeprefix("http://testserver/v2/"))
    assert seen == [f"+1415555267{number}" for number in (4, 3, 2, 1, 0)]


def test_a_page_is_one_query_and_one_for_its_reach(api, start, django_assert_num_queries):
    for number in range(3):
        start(f"+1415555267{number}")
    api.get("Attempts")
    with django_assert_num_queries(2) as queries:  # the first is authentication
        api.get("Attempts", DateCreatedAfter="2026-01-01T00:00:00Z")
    assert "JOIN" in queries[1]["sql"]
    with django_assert_num_queries(3) as queries:
        api.get("Attempts", Country="US", Status="unconverted")
    assert "JOIN" not in queries[1]["sql"]
    assert "JOIN" in queries[2]["sql"]
    # The second is for the hours that are counted, the last for verifications of another time.
    with django_assert_num_queries(4):
        api.get("Attempts/Summary", Country="US")


def test_thirty_days(api, start):
    with time_machine.travel(timezone.now() - dt.timedelta(days=30, seconds=1)):
        start()
    sid = VerificationAttempt.objects.get().sid
    assert listed(api) == []
    assert api.get(f"Attempts/{sid}").status == 404
    assert api.get("Attempts/Summary").data["total_attempts"] == 0


@pytest.mark.parametrize("sid", ["VL" + "0" * 32, "VE" + "0" * 32, "summary", "x"])
def test_no_such_attempt(api, sid):
    answer = api.get(f"Attempts/{sid}")
    assert (answer.status, answer.data["code"]) == (404, 20404)


@pytest.mark.parametrize("path", ["Attempts", "Attempts/Summary", "Attempts/VL" + "0" * 32])
def test_attempts_are_only_read(api, path):
    for answer in (api.post(path, {}), api.delete(path)):
        assert (answer.status, answer.data["code"]) == (405, 20004)


def test_the_summary_of_nothing(api):
    assert api.get("Attempts/Summary").data == {
        "total_attempts": 0,
        "total_converted": 0,
        "total_unconverted": 0,
        "conversion_rate_percentage": "0",
        "url": "http://testserver/v2/Attempts/Summary",
    }


def test_the_summary(api, start, approve):
    for number in range(11):
        sid = start(f"+141555526{number + 10}")
        if number < 9:
            approve(sid)
    start(BERLIN)
    answer = api.get("Attempts/Summary", DestinationPrefix="+1415").data
    del answer["url"]
    assert answer == {
        "total_attempts": 11,
        "total_converted": 9,
        "total_unconverted": 2,
        "conversion_rate_percentage": "81.818181818",
    }


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ({"Country": "de"}, 1),
        ({"Channel": "call"}, 1),
        ({"Channel": "sms", "Country": "US"}, 1),
        ({"DestinationPrefix": "+49"}, 1),
        ({"DestinationPrefix": "+1415555267"}, 2),
        ({"DateCreatedAfter": "2020-01-01T00:00:00Z"}, 3),
        ({"DateCreatedBefore": "2020-01-01T00:00:00Z"}, 0),
        ({"VerifyServiceSid": "VA" + "0" * 32}, 0),
        ({"PageSize": "x"}, 3),
    ],
)
def test_filters_of_the_summary(api, start, query, total):
    start()
    start(channel="call")
    start(BERLIN)
    assert api.get("Attempts/Summary", **query).data["total_attempts"] == total


@pytest.mark.parametrize("prefix", ["", "+", "1415", "+1%", "+1_", "+" + "1" * 16, "+１"])
def test_bad_prefixes(api, prefix):
    answer = api.get("Attempts/Summary", DestinationPrefix=prefix)
    assert (answer.status, answer.data["code"]) == (400, 60200)
    assert "`DestinationPrefix`" in answer.data["message"]


def test_another_account_has_attempts_of_its_own(api, start):
    start()
    stranger = make_account("Stranger")
    other = Api(stranger.sid, stranger.token)
    sid = VerificationAttempt.objects.get().sid
    assert listed(other) == []
    assert other.get(f"Attempts/{sid}").status == 404
    assert other.get("Attempts/Summary").data["total_attempts"] == 0
    assert listed(other, **{"ChannelData.To": PHONE}) == []


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "0"),
        (0, 7, "0"),
        (9, 11, "81.818181818"),
        (2, 3, "66.666666666"),
        (1, 2, "50"),
        (1, 8, "12.5"),
        (1, 1000, "0.1"),
        (7, 7, "100"),
        (1, 10**12, "0"),
        (10**12 - 1, 10**12, "99.999999999"),
    ],
)
def test_percentages(part, whole, text):
    assert percentage(part, whole) == text


def walked(api, direction, url, **query):
    """The numbers on each page, from one to the next by its links."""
    pages, answer = [], api.get(url, **query)
    while True:
        pages.append("".join(row["channel_data"]["to"][-1] for row in answer.data["attempts"]))
        url = answer.data["meta"][f"{direction}_page_url"]
        if url is None:
            return pages, answer.data["meta"]["url"]
        answer = api.get(url.removeprefix("http://testserver/v2/"))


@pytest.mark.parametrize("size", [1, 2, 50])
@pytest.mark.parametrize("converted", ["", "0", "9", "05", "459", "0123456789"])
def test_a_page_looks_at_few_rows_and_names_the_next_one(api, start, monkeypatch, size, converted):
    monkeypatch.setattr(paging, "REACH", 3)
    for number in range(10):
        start(f"+1415555267{number}")
    found = Verification.objects.filter(to__in=[f"+1415555267{n}" for n in converted])
    found.update(status="approved")
    pages, last = walked(api, "next", "Attempts", Status="converted", PageSize=size)
    assert "".join(pages) == converted[::-1]
    assert max(map(len, pages)) <= min(size, 3)
    back, first = walked(api, "previous", last.removeprefix("http://testserver/v2/"))
    assert "".join(reversed(back)) == converted[::-1]
    forth, _ = walked(api, "next", first.removeprefix("http://testserver/v2/"))
    assert "".join(forth) == converted[::-1]


def test_what_an_index_finds_is_not_bounded_by_the_reach(api, start, monkeypatch):
    monkeypatch.setattr(paging, "REACH", 1)
    sids = [start(f"+1415555267{number}") for number in range(4)]
    for query in (
        {"VerificationSid": sids[0]},
        {"ChannelData.To": "+14155552670"},
        {"DateCreatedAfter": "2020-01-01T00:00:00Z", "PageSize": 1},
    ):
        assert len(api.get("Attempts", **query).data["attempts"]) == 1
    assert len(listed(api)) == 4


def test_an_attempt_has_the_account_of_its_verification(api, start, account):
    assert start() == start()
    assert set(VerificationAttempt.objects.values_list("account_id")) == {(account.sid,)}
