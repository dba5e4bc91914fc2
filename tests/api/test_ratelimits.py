"""RateLimits and Buckets on the wire, and their effect on starts, also through the official SDK."""

import pytest
from django.db import IntegrityError
from twilio.rest import Client

from django_verify.api import ratelimits as resource
from django_verify.limits import counters as limits
from django_verify.models import Bucket, RateLimit
from tests.api.test_sdk import Recorder, refusal
from tests.conftest import OTHER_PHONE, PHONE, Api, make_account, make_service

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT_KEYS = {
    "sid", "service_sid", "account_sid", "unique_name", "description", "date_created",
    "date_updated", "url", "links",
}  # fmt: skip
BUCKET_KEYS = {
    "sid", "rate_limit_sid", "service_sid", "account_sid", "max", "interval", "date_created",
    "date_updated", "url",
}  # fmt: skip
META_KEYS = {
    "page", "page_size", "first_page_url", "previous_page_url", "url", "next_page_url", "key",
}  # fmt: skip
NOBODY = {"RateLimits": "RK" + "0" * 32, "Buckets": "BL" + "0" * 32}


@pytest.fixture
def root(service):
    return f"Services/{service.sid}/RateLimits"


@pytest.fixture
def limit(service):
    return RateLimit.objects.create(service=service, unique_name="ip")


@pytest.fixture
def buckets(root, limit):
    return f"{root}/{limit.sid}/Buckets"


def answered(answer):
    return answer.status, answer.data["code"]


def test_a_limit_is_made_fetched_changed_listed_and_deleted(api, root, service, account):
    made = api.post(root, {"UniqueName": "end_user.ip-1", "Description": "by recipient"})
    assert made.status == 201
    assert set(made.data) == LIMIT_KEYS
    url = f"http://testserver/v2/{root}/{made.data['sid']}"
    assert made.data["url"] == url
    assert made.data["links"] == {"buckets": f"{url}/Buckets"}
    assert made.data["sid"].startswith("RK")
    assert (made.data["service_sid"], made.data["account_sid"]) == (service.sid, account.sid)
    assert (made.data["unique_name"], made.data["description"]) == ("end_user.ip-1", "by recipient")
    path = f"{root}/{made.data['sid']}"
    assert api.get(path).data == made.data
    assert api.get(f"{root}/RK{made.data['sid'][2:].upper()}").data == made.data
    changed = api.post(path, {"Description": "", "UniqueName": "other"})
    assert changed.status == 200
    assert (changed.data["unique_name"], changed.data["description"]) == ("end_user.ip-1", None)
    listed = api.get(root)
    assert set(listed.data) == {"meta", "rate_limits"}
    assert set(listed.data["meta"]) == META_KEYS
    assert listed.data["rate_limits"] == [api.get(path).data]
    assert api.delete(path).status == 204
    assert answered(api.get(path)) == (404, 20404)
    assert answered(api.delete(path)) == (404, 20404)


def test_a_bucket_is_made_fetched_changed_listed_and_deleted(api, buckets, limit, account):
    made = api.post(buckets, {"Max": 5, "Interval": 60})
    assert made.status == 201
    assert set(made.data) == BUCKET_KEYS
    assert made.data["sid"].startswith("BL")
    assert made.data["url"] == f"http://testserver/v2/{buckets}/{made.data['sid']}"
    owner = (limit.sid, limit.service_id, account.sid)
    assert (
        made.data["rate_limit_sid"], made.data["service_sid"], made.data["account_sid"]
    ) == owner  # fmt: skip
    path = f"{buckets}/{made.data['sid']}"
    assert api.get(path).data == made.data
    for form, expected in (
        ({"Max": 7}, (7, 60)),
        ({"Interval": 86_400}, (7, 86_400)),
        ({"Max": 1, "Interval": 1}, (1, 1)),
        ({}, (1, 1)),
    ):
        changed = api.post(path, form)
        assert changed.status == 200
        assert (changed.data["max"], changed.data["interval"]) == expected
        assert api.get(path).data == changed.data
    listed = api.get(buckets)
    assert set(listed.data) == {"meta", "buckets"}
    assert listed.data["buckets"] == [api.get(path).data]
    assert api.delete(path).status == 204
    assert answered(api.get(path)) == (404, 20404)


def test_an_empty_list(api, root, buckets):
    assert api.get(buckets).data["buckets"] == []
    RateLimit.objects.all().delete()
    assert api.get(root).data["rate_limits"] == []


@pytest.mark.parametrize("name", ["", "a b", "ä", "a/b", "ip\n", "\nip", "a@b", "１"])
def test_a_name_of_other_characters(api, root, name):
    assert answered(api.post(root, {"UniqueName": name})) == (400, 60209)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({}, "`UniqueName`"),
        ({"UniqueName": "x" * 257}, "`UniqueName`"),
        ({"UniqueName": "x", "Description": "x" * 257}, "`Description`"),
    ],
)
def test_malformed_limits(api, root, form, name):
    answer = api.post(root, form)
    assert answered(answer) == (400, 60200)
    assert name in answer.data["message"]


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ({"Interval": 60}, "`Max`"),
        ({"Max": 5}, "`Interval`"),
        ({"Max": 0, "Interval": 60}, "`Max`"),
        ({"Max": "x", "Interval": 60}, "`Max`"),
        ({"Max": 10**9, "Interval": 60}, "`Max`"),
        ({"Max": 5, "Interval": 0}, "`Interval`"),
        ({"Max": 5, "Interval": 86_401}, "`Interval`"),
        ({"Max": 5, "Interval": ""}, "`Interval`"),
    ],
)
def test_malformed_buckets(api, buckets, limit, form, name):
    answer = api.post(buckets, form)
    assert answered(answer) == (400, 60200)
    assert name in answer.data["message"]
    assert not Bucket.objects.exists()


def test_duplicates(api, root, buckets, limit):
    assert answered(api.post(root, {"UniqueName": "ip"})) == (400, 60208)
    assert api.post(buckets, {"Max": 5, "Interval": 60}).status == 201
    assert answered(api.post(buckets, {"Max": 6, "Interval": 60})) == (400, 60211)
    other = api.post(buckets, {"Max": 5, "Interval": 61}).data["sid"]
    assert answered(api.post(f"{buckets}/{other}", {"Interval": 60})) == (400, 60211)
    assert api.get(f"{buckets}/{other}").data["interval"] == 61
    second = make_service(limit.service.account)
    assert api.post(f"Services/{second.sid}/RateLimits", {"UniqueName": "ip"}).status == 201


def test_caps(api, root, settings):
    assert [api.post(root, {"UniqueName": f"n{n}"}).status for n in range(20)] == [201] * 20
    assert answered(api.post(root, {"UniqueName": "more"})) == (400, 60207)
    path = f"{root}/{RateLimit.objects.first().sid}/Buckets"
    assert [api.post(path, {"Max": 1, "Interval": n + 1}).status for n in range(10)] == [201] * 10
    assert answered(api.post(path, {"Max": 1, "Interval": 60})) == (400, 60210)
    caps = {"RATE_LIMITS_PER_SERVICE": 21, "BUCKETS_PER_RATE_LIMIT": 11}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, **caps}
    assert api.post(root, {"UniqueName": "more"}).status == 201
    assert api.post(path, {"Max": 1, "Interval": 60}).status == 201
    assert answered(api.post(root, {"UniqueName": "still"})) == (400, 60207)
    assert answered(api.post(path, {"Max": 1, "Interval": 61})) == (400, 60210)


def test_other_accounts_find_nothing(api, root, buckets, limit):
    bucket = api.post(buckets, {"Max": 5, "Interval": 60}).data["sid"]
    stranger = make_account("Stranger")
    other = Api(stranger.sid, stranger.token)
    own = make_service(stranger)
    mine = f"Services/{own.sid}/RateLimits"
    for path in (root, f"{root}/{limit.sid}", buckets, f"{buckets}/{bucket}"):
        elsewhere = path.replace(root, mine)
        for call in (
            lambda p=path: other.get(p),
            lambda p=path: other.post(p, {"UniqueName": "x", "Max": 1, "Interval": 9}),
            lambda p=path: other.request("DELETE", p) if "RK" in p else other.get(p),
        ):
            assert call().status in {404, 405}, path
        if path != root:
            assert answered(other.get(elsewhere)) == (404, 20404)
    assert api.get(f"{buckets}/{bucket}").data["max"] == 5
    assert RateLimit.objects.count() == Bucket.objects.count() == 1


def test_paths_that_lead_nowhere(api, root, buckets, limit):
    second = RateLimit.objects.create(service=limit.service, unique_name="two")
    bucket = Bucket.objects.create(rate_limit=second, max=1, interval=1)
    third = make_service(limit.service.account)
    for path in (
        f"Services/VA{'0' * 32}/RateLimits",
        "Services/VA1/RateLimits",
        f"{root}/RK1",
        f"{root}/ip",
        f"{root}/{NOBODY['RateLimits']}",
        f"{root}/{NOBODY['RateLimits']}/Buckets",
        f"{root}/x/Buckets",
        f"{buckets}/{NOBODY['Buckets']}",
        f"{buckets}/BL1",
        f"{buckets}/{bucket.sid}",
        f"Services/{third.sid}/RateLimits/{second.sid}",
        f"Services/{third.sid}/RateLimits/{second.sid}/Buckets",
        f"Services/{third.sid}/RateLimits/{second.sid}/Buckets/{bucket.sid}",
    ):
        assert answered(api.get(path)) == (404, 20404), path
        form = {"UniqueName": "x", "Max": "1", "Interval": "9"}
        assert answered(api.post(path, form)) == (404, 20404), path
    for path in (f"{buckets}/{bucket.sid}", f"Services/{third.sid}/RateLimits/{second.sid}"):
        assert answered(api.delete(path)) == (404, 20404)
    assert Bucket.objects.count() == 1


def test_what_is_deleted_meanwhile_is_absent(api, root, buckets, limit, monkeypatch):
    bucket = Bucket.objects.create(rate_limit=limit, max=1, interval=1)

    def fetched_and_gone(view, found=resource.BucketViewSet.get_object):
        row = found(view)
        Bucket.objects.all().delete()
        return row

    monkeypatch.setattr(resource.BucketViewSet, "get_object", fetched_and_gone)
    assert answered(api.post(f"{buckets}/{bucket.sid}", {"Max": 2})) == (404, 20404)

    def loaded_and_gone(view, loaded=resource.RateLimitViewSet.loaded_service):
        row = loaded(view)
        type(row).objects.all().delete()
        return row

    monkeypatch.setattr(resource.RateLimitViewSet, "loaded_service", loaded_and_gone)
    assert answered(api.post(root, {"UniqueName": "x"})) == (404, 20404)


def test_an_update_that_loses_a_race_for_a_name(api, root, limit, monkeypatch):
    def lost(*args, **kwargs):
        raise IntegrityError

    monkeypatch.setattr(RateLimit, "save", lost)
    answer = api.post(f"{root}/{limit.sid}", {"Description": "x"})
    assert answered(answer) == (400, 60208)


@pytest.fixture
def client(live_server):
    account = make_account()
    client = Client(account.sid, account.token)
    client.verify.base_url = live_server.url
    client.recorder = Recorder(client)
    return client


def test_the_sdk(client, live_server):
    service = client.verify.v2.services.create(friendly_name="Acme")
    scope = client.verify.v2.services(service.sid)
    limit = scope.rate_limits.create(unique_name="end_user_ip_address", description="By recipient")
    assert set(client.recorder.last) == LIMIT_KEYS
    assert client.recorder.last["links"] == {"buckets": f"{limit.url}/Buckets"}
    assert client.recorder.answers[-1].status_code == 201
    assert limit.url == f"{live_server.url}/v2/Services/{service.sid}/RateLimits/{limit.sid}"
    assert limit.date_created.tzinfo is not None
    assert scope.rate_limits(limit.sid).update(description="x").description == "x"
    assert scope.rate_limits(limit.sid).fetch().unique_name == "end_user_ip_address"
    assert set(client.recorder.last) == LIMIT_KEYS
    assert [row.sid for row in scope.rate_limits.list()] == [limit.sid]
    duplicate = {"unique_name": "end_user_ip_address"}
    assert refusal(scope.rate_limits.create, **duplicate) == (400, 60208)
    assert refusal(scope.rate_limits.create, unique_name="a b") == (400, 60209)

    buckets = scope.rate_limits(limit.sid).buckets
    bucket = buckets.create(max=9, interval=60)
    assert set(client.recorder.last) == BUCKET_KEYS
    assert (bucket.max, bucket.interval, bucket.rate_limit_sid) == (9, 60, limit.sid)
    assert bucket.url == f"{limit.url}/Buckets/{bucket.sid}"
    assert buckets(bucket.sid).update(max=5).max == 5
    assert buckets(bucket.sid).fetch().interval == 60
    assert [row.sid for row in buckets.list(page_size=1)] == [bucket.sid]
    assert set(client.recorder.last) == {"meta", "buckets"}
    assert set(client.recorder.last["meta"]) == META_KEYS
    assert refusal(buckets.create, max=1, interval=60) == (400, 60211)
    assert buckets(bucket.sid).delete() is True
    assert refusal(buckets(bucket.sid).fetch) == (404, 20404)
    assert scope.rate_limits(limit.sid).delete() is True
    assert refusal(scope.rate_limits(limit.sid).fetch) == (404, 20404)


@pytest.mark.parametrize("kind", ["limits", "buckets"])
def test_pages(client, kind):
    service = client.verify.v2.services.create(friendly_name="Acme")
    rows = client.verify.v2.services(service.sid).rate_limits
    if kind == "limits":
        made = [rows.create(unique_name=f"n{n}").sid for n in range(5)]
    else:
        rows = rows(rows.create(unique_name="ip").sid).buckets
        made = [rows.create(max=1, interval=n + 1).sid for n in range(5)]
    assert [row.sid for row in rows.list(page_size=2)] == made[::-1]


def test_the_sdk_reaches_a_limit(client, outbox):
    service = client.verify.v2.services.create(friendly_name="Acme")
    scope = client.verify.v2.services(service.sid)
    limit = scope.rate_limits.create(unique_name="end_user_ip_address")
    scope.rate_limits(limit.sid).buckets.create(max=1, interval=86_400)
    named = {"end_user_ip_address": "203.0.113.9"}
    scope.verifications.create(to=PHONE, channel="sms", rate_limits=named)
    again = {"to": OTHER_PHONE, "channel": "sms", "rate_limits": named}
    assert refusal(scope.verifications.create, **again) == (429, 20429)
    headers = client.recorder.answers[-1].headers
    assert headers["Twilio-Reached-Rate-Limit"] == "end_user_ip_address"
    assert 1 <= int(headers["Retry-After"]) <= 86_400
    assert set(client.recorder.last) == {"code", "message", "more_info", "status"}
    assert len(outbox) == 1
    other = {"end_user_ip_address": "203.0.113.10"}
    scope.verifications.create(to=OTHER_PHONE, channel="sms", rate_limits=other)
    assert refusal(scope.verifications.create, **again, locale="xx") == (400, 60200)
    unknown = {**again, "rate_limits": {"ip": "x"}}
    assert refusal(scope.verifications.create, **unknown) == (400, 60200)


def test_the_sdk_reads_a_status_too_often(client):
    service = client.verify.v2.services.create(friendly_name="Acme")
    scope = client.verify.v2.services(service.sid)
    started = scope.verifications.create(to=PHONE, channel="sms")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "READS", {**limits.READS, "day": (86_400, 3)})
        for _ in range(3):
            scope.verifications(started.sid).fetch()
        assert refusal(scope.verifications(started.sid).fetch) == (429, 20429)
    assert 1 <= int(client.recorder.answers[-1].headers["Retry-After"]) <= 86_400


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        ('{"ip": "x"}', 429, 20429),
        ('{"ip": 12}', 429, 20429),
        ('{"ip": "12"}', 429, 20429),
        ('{"ip": 1.5}', 201, None),
        ('{"ip": ""}', 201, None),
        ("{}", 201, None),
        ("", 201, None),
        ('{"ip": true}', 400, 60200),
        ('{"ip": null}', 400, 60200),
        ('{"ip": ["x"]}', 400, 60200),
        ('{"ip": "x", "ip": "y"}', 400, 60200),
        ('{"IP": "x"}', 400, 60200),
        ('["ip"]', 400, 60200),
        ('{"ip": "\\u0000"}', 400, 60200),
        ('{"ip": "' + "x" * 257 + '"}', 400, 60200),
        ('{"ip": 1' + "0" * 300 + "}", 400, 60200),
        ('{"ip": ' + "1" * 5000 + "}", 400, 60200),
    ],
)
def test_values_on_the_wire(api, service, limit, outbox, value, status, code):
    Bucket.objects.create(rate_limit=limit, max=1, interval=86_400)
    for used in ("x", 12):
        limits.consume(limits.meters(service, {"ip": used}))
    form = {"To": PHONE, "Channel": "sms", "RateLimits": value}
    answer = api.post(f"Services/{service.sid}/Verifications", form)
    assert (answer.status, answer.data.get("code")) == (status, code), answer.data
    assert len(outbox) == (status == 201)
    if status == 400:
        assert "`RateLimits`" in answer.data["message"]
