"""Buckets and status reads: atomic, one key per window, exact in the database and in Redis."""

import datetime as dt
import os
import socket

import pytest
from django.db import IntegrityError, transaction

from django_verify import signals, verifications
from django_verify.crypto import codes
from django_verify.exceptions import (
    Forbidden,
    InvalidParameter,
    MaxSendsReached,
    ServiceUnavailable,
    TooManyEntities,
    TooManyRequests,
)
from django_verify.limits import counters
from django_verify.models import (
    Bucket,
    BucketCount,
    RateLimit,
    StatusReadCount,
    Verification,
    VerificationAttempt,
)
from tests.conftest import PHONE, ROUNDS, Api, make_account, make_service, purged

# One database for each of pytest's processes, so that none empties another one's.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
REDIS = f"redis://127.0.0.1:6379/{9 + WORKER % 7}"
IP = "203.0.113.9"
PHONES = [f"+1415555{number:04d}" for number in range(2600, 2700)]
THREADS = 40
ONE, TWO = "VE" + "1" * 32, "VE" + "2" * 32


def redis_answers():
    pytest.importorskip("limits")
    pytest.importorskip("redis")
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", 6379)):
            pytest.skip("no Redis on loopback")


@pytest.fixture(params=["database", "redis"])
def store(request, settings):
    """Each test runs once with each store; the one in Redis begins empty."""
    if request.param == "redis":
        redis_answers()
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "RATE_LIMIT_STORE": REDIS}
        forget_redis()
    yield request.param
    if request.param == "redis":
        forget_redis()


def forget_redis():
    import redis

    with redis.Redis.from_url(REDIS) as client:
        for key in client.scan_iter("django_verify:*"):
            client.delete(key)


def make_limit(service, name="ip", **buckets):
    """A limit with buckets given as `every_60=10`."""
    limit = RateLimit.objects.create(service=service, unique_name=name)
    for key, most in buckets.items():
        interval = int(key.removeprefix("every_"))
        Bucket.objects.create(rate_limit=limit, max=most, interval=interval)
    return limit


@pytest.fixture
def start(service):
    """`start(ip=…)` begins a verification of another number each time."""
    phones = iter(PHONES)
    return lambda **limits: verifications.start(service, next(phones), rate_limits=limits)


def refused(call, *args, **kwargs):
    with pytest.raises(TooManyRequests) as caught:
        call(*args, **kwargs)
    return caught.value.limit, caught.value.retry_after


class TestBuckets:
    """One start after another."""

    pytestmark = pytest.mark.django_db

    def test_a_full_bucket_refuses_and_names_its_limit(self, store, service, start, clock):
        make_limit(service, every_60=2)
        start(ip=IP)
        start(ip=IP)
        # The clock stands at a quarter of a second past a full minute.
        assert refused(start, ip=IP) == ("ip", 60)
        clock.shift(30)
        assert refused(start, ip=IP) == ("ip", 30)
        assert Verification.objects.count() == VerificationAttempt.objects.count() == 2

    def test_a_window_ends_on_the_epochs_grid(self, store, service, start, clock):
        make_limit(service, every_60=1)
        clock.shift(59)
        start(ip=IP)
        assert refused(start, ip=IP) == ("ip", 1)
        clock.shift(0.75)
        start(ip=IP)
        assert refused(start, ip=IP) == ("ip", 60)

    def test_values_do_not_share_a_count(self, store, service, start):
        make_limit(service, every_86400=1)
        start(ip=IP)
        start(ip="203.0.113.10")
        start(ip="")
        assert refused(start, ip=IP)[0] == "ip"

    def test_limits_and_services_do_not_share_a_count(self, store, service, start):
        make_limit(service, every_86400=1)
        make_limit(service, "agent", every_86400=1)
        other = make_service(service.account)
        make_limit(other, every_86400=1)
        start(ip="x")
        start(agent="x")
        verifications.start(other, PHONE, rate_limits={"ip": "x"})
        assert refused(start, ip="x")[0] == "ip"

    def test_windows_do_not_eat_each_other(self, store, service, start, clock):
        """Two a minute and three an hour: the short window must not reset or use up the long."""
        make_limit(service, every_60=2, every_3600=3)
        start(ip=IP)
        start(ip=IP)
        assert refused(start, ip=IP) == ("ip", 60)
        clock.shift(60)
        start(ip=IP)
        # The minute has room, the hour has none until it ends.
        assert refused(start, ip=IP) == ("ip", 3540)
        clock.shift(3539)
        assert refused(start, ip=IP) == ("ip", 1)
        clock.shift(1)
        start(ip=IP)

    def test_it_reports_when_every_bucket_has_room(self, store, service, start, clock):
        make_limit(service, every_60=1)
        make_limit(service, "agent", every_3600=1)
        start(ip=IP, agent="curl")
        assert refused(start, ip=IP, agent="curl") == ("agent", 3600)
        assert refused(start, agent="curl", ip="other") == ("agent", 3600)
        assert refused(start, ip=IP, agent="other") == ("ip", 60)

    @pytest.mark.parametrize("full", ["aaa", "zzz"])
    def test_a_refusal_consumes_nothing(self, store, service, start, full):
        make_limit(service, full, every_86400=1)
        make_limit(service, "mmm", every_86400=2)
        start(**{full: "x"})
        for _ in range(5):
            assert refused(start, **{full: "x", "mmm": "y"})[0] == full
        start(mmm="y")
        start(mmm="y")
        assert refused(start, mmm="y")[0] == "mmm"

    def test_a_refused_start_does_not_count(self, store, service, start, clock):
        """Were it counted, raising the maximum would not help at once."""
        limit = make_limit(service, every_86400=1)
        start(ip=IP)
        for _ in range(5):
            refused(start, ip=IP)
        limit.buckets.update(max=2)
        start(ip=IP)
        assert refused(start, ip=IP)

    def test_a_changed_interval_begins_anew(self, store, service, start, clock):
        limit = make_limit(service, every_60=1)
        start(ip=IP)
        limit.buckets.update(interval=120)
        start(ip=IP)
        assert refused(start, ip=IP)

    def test_a_limit_without_buckets_never_refuses(self, store, service, start):
        make_limit(service)
        for _ in range(5):
            start(ip=IP)
        assert not BucketCount.objects.exists()

    def test_a_start_that_names_no_limit_is_not_metered(self, store, service, start):
        make_limit(service, every_86400=1)
        for _ in range(3):
            start()
        verifications.start(service, PHONE, rate_limits=None)

    def test_a_resend_counts_and_so_does_any_channel(self, store, service, outbox):
        make_limit(service, every_86400=2)
        for channel in ("sms", "call"):
            verifications.start(service, PHONE, channel, rate_limits={"ip": IP})
        assert refused(verifications.start, service, PHONE, rate_limits={"ip": IP})
        assert Verification.objects.get().sends == 2

    def test_a_start_refused_before_is_not_counted(self, store, service):
        make_limit(service, every_86400=1)
        limits = {"ip": IP}

        def forbid(**kwargs):
            raise Forbidden

        signals.verification_starting.connect(forbid)
        try:
            with pytest.raises(Forbidden):
                verifications.start(service, PHONE, rate_limits=limits)
        finally:
            signals.verification_starting.disconnect(forbid)
        for to, channel in ((PHONE, "rcs"), ("nobody", "sms")):
            with pytest.raises(InvalidParameter):
                verifications.start(service, to, channel, rate_limits=limits)
        with pytest.raises(InvalidParameter):
            verifications.start(service, PHONE, rate_limits={**limits, "unknown": "x"})
        verifications.start(service, PHONE, rate_limits=limits)

    def test_a_start_refused_after_stays_counted(self, store, service):
        make_limit(service, every_86400=7)
        for _ in range(5):
            verifications.start(service, PHONE, rate_limits={"ip": IP})
        for _ in range(2):
            with pytest.raises(MaxSendsReached):
                verifications.start(service, PHONE, rate_limits={"ip": IP})
        assert refused(verifications.start, service, PHONE, rate_limits={"ip": IP})

    def test_numbers_count_as_their_text(self, store, service, start):
        make_limit(service, every_86400=1)
        for number, text in ((44, "44"), (1.5, "1.5"), (-(10**30), str(-(10**30)))):
            start(ip=number)
            assert refused(start, ip=text)

    @pytest.mark.parametrize("value", [None, True, ["x"], {"x": "y"}, "x" * 257, b"x"])
    def test_other_values_are_malformed(self, service, start, value):
        make_limit(service, every_86400=1)
        with pytest.raises(InvalidParameter) as caught:
            start(ip=value)
        assert caught.value.parameter == "rate_limits"
        start(ip="x" * 256)

    @pytest.mark.parametrize("name", ["IP", "other", "", "i p", "ip\n", 7, "\0", "x" * 300])
    def test_an_unknown_name(self, service, name):
        make_limit(service, every_86400=1)
        make_limit(make_service(), "other", every_86400=1)
        with pytest.raises(InvalidParameter) as caught:
            verifications.start(service, PHONE, rate_limits={name: "x"})
        assert caught.value.parameter == "rate_limits"
        assert not Verification.objects.exists()

    def test_at_most_twenty_names(self, service):
        with pytest.raises(InvalidParameter, match="20 names"):
            verifications.start(service, PHONE, rate_limits={f"n{n}": "x" for n in range(21)})

    def test_no_value_is_stored(self, service, start):
        make_limit(service, every_60=5, every_3600=5)
        start(ip=IP)
        rows = [str(row) for row in BucketCount.objects.all()]
        assert len(rows) == len(set(rows)) == 2
        assert not any(IP in row for row in rows)
        assert len({row.rpartition(".")[2] for row in rows}) == 2

    def test_a_full_row_that_has_room_when_it_is_looked_at(self, service, start, monkeypatch):
        """As after the rollback of another start."""
        make_limit(service, every_86400=1)
        start(ip=IP)
        count_all, turns = counters._count_all, []

        def swept(windows, using):
            turns.append(count_all(windows, using))
            BucketCount.objects.all().delete()
            return turns[-1]

        monkeypatch.setattr(counters, "_count_all", swept)
        start(ip=IP)
        assert turns == [False, True]
        monkeypatch.setattr(counters, "_count_all", lambda windows, using: False)
        assert refused(start, ip="other")[0] == "ip"

    def test_a_flood_writes_nothing(self, service, start, django_assert_num_queries):
        make_limit(service, every_86400=1)
        start(ip=IP)
        refused(start, ip=IP)
        meters = counters.meters(service, {"ip": IP})
        with django_assert_num_queries(1) as asked:
            refused(counters.consume, meters)
        assert asked[0]["sql"].startswith("SELECT")

    def test_what_a_process_knows_to_be_full_is_bounded(self, service, start, monkeypatch):
        monkeypatch.setattr(counters, "_MOST_FULL", 3)
        make_limit(service, every_86400=1)
        for number in range(9):
            start(ip=number)
            refused(start, ip=number)
            assert len(counters._known_full) <= 3
        BucketCount.objects.all().delete()
        start(ip=8)

    def test_no_count_passes_its_maximum_whatever_writes_it(self, service, start):
        make_limit(service, every_86400=1)
        start(ip=IP)
        with pytest.raises(IntegrityError), transaction.atomic():
            BucketCount.objects.update(count=2)

    def test_one_meter_named_twice_counts_once(self, store, service):
        make_limit(service, every_86400=1)
        meters = counters.meters(service, {"ip": IP})
        counters.consume(meters * 2)
        assert refused(counters.consume, meters)

    def test_a_refusal_leaves_a_callers_transaction_alive(self, store, service, start):
        make_limit(service, every_86400=1)
        start(ip=IP)
        with transaction.atomic():
            assert refused(start, ip=IP)
            start(ip="other")
        assert Verification.objects.count() == 2

    def test_a_rollback_takes_the_count_back(self, service, start):
        """In the database only: Redis knows no transactions of the caller."""
        make_limit(service, every_86400=1)
        with transaction.atomic():
            start(ip=IP)
            transaction.set_rollback(True)
        start(ip=IP)
        assert refused(start, ip=IP)


def test_a_fingerprint_measures_its_parts():
    assert codes.fingerprint("ab", "c") != codes.fingerprint("a", "bc")
    assert codes.fingerprint("\ud800", "é") == codes.fingerprint("\ud800", "é")
    assert len(codes.fingerprint()) == 64


class TestStatusReads:
    """As the vendor: sixty a minute, 180 an hour, 250 a day of one verification."""

    pytestmark = pytest.mark.django_db

    def test_each_window_by_itself(self, store, clock):
        """One count a second: the minute refuses first, then the hour, then the day."""

        def read_all():
            for number in range(300):
                try:
                    counters.count_read(ONE)
                except TooManyRequests as error:
                    assert error.limit == ""
                    return number, error.retry_after
            raise AssertionError

        assert read_all() == (60, 60)
        clock.shift(60)
        assert read_all() == (60, 60)
        clock.shift(60)
        # The minute and the hour are full; the answer reports when both have room.
        assert read_all() == (60, 3480)
        clock.shift(60)
        assert read_all() == (0, 3420)
        clock.shift(3420)
        assert read_all() == (60, 60)
        clock.shift(60)
        # It is ten past one in the afternoon, with 240 read; the day ends at midnight.
        assert read_all() == (10, 11 * 3600 - 60)
        clock.shift(3600)
        assert read_all() == (0, 10 * 3600 - 60)
        clock.shift(10 * 3600 - 60)
        assert read_all() == (60, 60)

    def test_verifications_do_not_share_a_count(self, store, clock):
        for _ in range(60):
            counters.count_read(ONE)
        counters.count_read(TWO)
        assert refused(counters.count_read, ONE) == ("", 60)

    def test_a_refused_read_does_not_count(self, clock):
        for _ in range(60):
            counters.count_read(ONE)
        for _ in range(5):
            refused(counters.count_read, ONE)
        row = StatusReadCount.objects.get()
        assert (row.in_minute, row.in_hour, row.in_day) == (60, 60, 60)
        assert str(row) == ONE

    def test_a_clock_that_is_behind_begins_no_window_again(self, clock):
        for _ in range(60):
            counters.count_read(ONE)
        clock.shift(-2)
        assert refused(counters.count_read, ONE) == ("", 2)

    def test_none_in_development(self, store, settings):
        settings.DEBUG = True
        for _ in range(300):
            counters.count_read(ONE)
        assert not StatusReadCount.objects.exists()

    def test_two_first_reads(self, monkeypatch):
        first_read = counters._first_read

        def overtaken(sid, windows):
            assert first_read(sid, windows)
            return first_read(sid, windows)

        monkeypatch.setattr(counters, "_first_read", overtaken)
        counters.count_read(ONE)
        assert StatusReadCount.objects.get().in_minute == 2

    def test_a_row_that_never_stays_refuses(self, monkeypatch):
        monkeypatch.setattr(counters, "_first_read", lambda sid, windows: False)
        assert refused(counters.count_read, ONE)

    def test_the_api_alone_counts(self, store, service, api, settings, clock):
        row = verifications.start(service, PHONE)
        path = f"Services/{service.sid}/Verifications"
        for _ in range(70):
            verifications.fetch(service, row.sid)
        keys = [row.sid, PHONE] * 30
        assert {api.get(f"{path}/{key}").status for key in keys} == {200}
        for key in (row.sid, PHONE, f"VE{row.sid[2:].upper()}"):
            answer = api.get(f"{path}/{key}")
            assert (answer.status, answer.data["code"]) == (429, 20429)
            assert answer.headers["Retry-After"] == "60"
            assert "Twilio-Reached-Rate-Limit" not in answer.headers
        clock.shift(60)
        assert api.get(f"{path}/{row.sid}").status == 200
        settings.DEBUG = True
        assert {api.get(f"{path}/{row.sid}").status for _ in range(70)} == {200}

    def test_what_is_not_found_is_not_counted(self, service, api):
        path = f"Services/{service.sid}/Verifications/VE{'0' * 32}"
        assert {api.get(path).status for _ in range(61)} == {404}
        assert not StatusReadCount.objects.exists()


@pytest.mark.django_db
def test_new_entities_have_forty_a_second(store, clock):
    for _ in range(2):
        for _ in range(40):
            counters.count_entity("AC1")
        with pytest.raises(TooManyEntities) as error:
            counters.count_entity("AC1")
        assert error.value.retry_after == 1
        counters.count_entity("AC2")
        clock.shift(1)


@pytest.mark.django_db
def test_the_pass_deletes_what_is_over_in_batches(service, start, clock):
    make_limit(service, every_60=9)
    for number in range(5):
        start(ip=number)
    counters.count_read(ONE)
    day_ends = dt.timedelta(hours=12)
    clock.shift(60 + 3600)
    start(ip="new")
    assert purged("rate limit counts", batch=2) == 5
    assert purged("rate limit counts") == purged("status read counts") == 0
    assert StatusReadCount.objects.count() == BucketCount.objects.count() == 1
    clock.shift(day_ends)
    assert purged("rate limit counts") == purged("status read counts") == 1


class TestRedis:
    """What only the store outside the database can do."""

    pytestmark = pytest.mark.django_db

    @pytest.fixture
    def down(self, settings):
        pytest.importorskip("limits")
        pytest.importorskip("redis")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        url = f"redis://:planted@127.0.0.1:{port}/0"
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "RATE_LIMIT_STORE": url}

    def test_nothing_is_sent_while_it_is_down(self, down, service, start, api, outbox, caplog):
        make_limit(service, every_60=9)
        with pytest.raises(ServiceUnavailable):
            start(ip=IP)
        form = {"To": PHONE, "Channel": "sms", "RateLimits": '{"ip": "x"}'}
        answer = api.post(f"Services/{service.sid}/Verifications", form)
        assert (answer.status, answer.data["code"]) == (503, 20503)
        assert not Verification.objects.exists()
        assert not outbox
        assert "did not answer: ConnectionError" in caplog.text
        assert "planted" not in caplog.text

    def test_starts_that_name_no_limit_and_reads_go_on(self, down, service, start, api):
        row = start()
        path = f"Services/{service.sid}/Verifications/{row.sid}"
        assert {api.get(path).status for _ in range(61)} == {200}

    def test_new_entities_are_not_limited_while_it_is_down(self, down):
        for _ in range(41):
            counters.count_entity("AC1")

    def test_no_count_is_in_the_database_and_each_dies_by_itself(
        self, service, start, settings, request
    ):
        redis_answers()
        import redis

        forget_redis()
        request.addfinalizer(forget_redis)
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "RATE_LIMIT_STORE": REDIS}
        make_limit(service, every_60=5, every_3600=5)
        start(ip=IP)
        counters.count_read(ONE)
        counters.count_entity("AC1")
        assert not BucketCount.objects.exists()
        assert not StatusReadCount.objects.exists()
        with redis.Redis.from_url(REDIS) as client:
            keys = sorted(client.scan_iter("django_verify:*"))
            lives = [client.ttl(key) for key in keys]
        assert len(keys) == 6
        assert all(0 < life <= 86_400 + 60 for life in lives)
        assert IP.encode() not in b" ".join(keys)


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    """Forty at one moment, over the wire; the worst of several rounds counts."""

    @pytest.fixture
    def apis(self):
        account = make_account()
        return account, [Api(account.sid, account.token) for _ in range(THREADS)]

    def test_forty_starts_against_ten(self, store, apis, outbox, aligned):
        account, clients = apis
        for _ in range(ROUNDS):
            service = make_service(account)
            make_limit(service, every_86400=10)
            outbox.clear()
            path = f"Services/{service.sid}/Verifications"
            form = {"Channel": "sms", "RateLimits": '{"ip": "203.0.113.9"}'}
            answers = aligned(
                [
                    lambda api=api, to=to: api.post(path, {**form, "To": to})
                    for api, to in zip(clients, PHONES, strict=False)
                ]
            )
            assert sorted(a.status for a in answers) == [201] * 10 + [429] * 30
            assert len(outbox) == 10
            for answer in answers:
                if answer.status == 429:
                    assert answer.data["code"] == 20429
                    assert answer.headers["Twilio-Reached-Rate-Limit"] == "ip"
                    assert 1 <= int(answer.headers["Retry-After"]) <= 86_400
            Verification.objects.all().delete()

    def test_several_buckets_in_any_order_never_deadlock(self, store, apis, aligned):
        """Four limits with two buckets, named in different orders; the smallest decides."""
        account, _clients = apis
        names = ["a", "b", "c", "d"]
        for _ in range(ROUNDS):
            service = make_service(account)
            for name in names:
                make_limit(service, name, every_86400=30, every_43200=20)
            Bucket.objects.filter(rate_limit__unique_name="c", interval=86_400).update(max=7)

            def call(number, service=service):
                order = names[number % 4 :] + names[: number % 4]
                metered = counters.meters(service, dict.fromkeys(order[::-1], "x"))
                try:
                    counters.consume(metered)
                except TooManyRequests as error:
                    return error.limit
                return ""

            answers = aligned([lambda n=n: call(n) for n in range(THREADS)])
            assert sorted(answers) == [""] * 7 + ["c"] * 33
            again = aligned([lambda n=n: call(n) for n in range(THREADS)])
            assert set(again) == {"c"}
            # What was refused was given back, so thirteen more fit into the others.
            Bucket.objects.filter(rate_limit__unique_name="c").update(max=40)
            more = aligned([lambda n=n: call(n) for n in range(THREADS)])
            assert more.count("") == 13

    def test_reads(self, store, aligned):
        for number in range(ROUNDS):

            def call(sid=f"VE{number:032x}"):
                try:
                    counters.count_read(sid)
                except TooManyRequests:
                    return False
                return True

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(counters, "READS", {**counters.READS, "day": (86_400, 25)})
                assert sum(aligned([call] * THREADS)) == 25

    def test_a_name_and_an_interval_are_used_once(self, apis, aligned, settings):
        account, clients = apis
        caps = {"RATE_LIMITS_PER_SERVICE": 3, "BUCKETS_PER_RATE_LIMIT": 3}
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, **caps}
        service = make_service(account)
        root = f"Services/{service.sid}/RateLimits"

        def codes_of(path, forms):
            calls = zip(clients, forms, strict=True)
            answers = aligned([lambda a=api, f=form: a.post(path, f) for api, form in calls])
            return sorted(answer.data.get("code", 201) for answer in answers)

        same = [{"UniqueName": "ip"}] * THREADS
        assert codes_of(root, same) == [201] + [60208] * 39
        different = [{"UniqueName": f"n{number}"} for number in range(THREADS)]
        assert codes_of(root, different) == [201] * 2 + [60207] * 38
        path = f"{root}/{RateLimit.objects.first().sid}/Buckets"
        same = [{"Max": 1, "Interval": 60}] * THREADS
        assert codes_of(path, same) == [201] + [60211] * 39
        different = [{"Max": 1, "Interval": number + 1} for number in range(THREADS)]
        assert codes_of(path, different) == [201] * 2 + [60210] * 38
