"""Rate limits and buckets as an operator edits them."""

import pytest

from django_verify.limits import counters
from django_verify.models import Bucket, BucketCount, RateLimit
from tests.admin.test_services import form_of, page_of
from tests.conftest import make_service

pytestmark = pytest.mark.django_db

LIMITS = "/admin/django_verify/ratelimit/"


def change(limit):
    return f"{LIMITS}{limit.sid}/change/"


@pytest.fixture
def limit():
    return RateLimit.objects.create(service=make_service(), unique_name="ip")


def test_a_limit_is_added_with_its_bucket_from_the_services_page(boss):
    service = make_service()
    assert f"{LIMITS}add/?service={service.sid}" in boss.get(page_of(service)).content.decode()
    form = form_of(boss.get(f"{LIMITS}add/?service={service.sid}"))
    assert form["service"] == service.sid
    bucket = {"buckets-0-max": "5", "buckets-0-interval": "60"}
    response = boss.post(f"{LIMITS}add/", form | {"unique_name": "end_user.ip-1"} | bucket)
    assert response.status_code == 302
    row = Bucket.objects.get()
    assert (row.max, row.interval, row.rate_limit.unique_name) == (5, 60, "end_user.ip-1")
    assert (row.rate_limit.service, str(row)) == (service, "5 / 60 s")
    page = boss.get(page_of(service)).content.decode()
    assert change(row.rate_limit) in page


@pytest.mark.parametrize("name", ["a b", "ä", "", "ip"])
def test_a_bad_or_used_name_is_refused(boss, limit, name):
    form = form_of(boss.get(f"{LIMITS}add/?service={limit.service_id}"))
    response = boss.post(f"{LIMITS}add/", form | {"unique_name": name})
    assert response.context["adminform"].form.errors
    assert RateLimit.objects.count() == 1


@pytest.mark.parametrize(
    "bucket", [("0", "60"), ("5", "0"), ("5", "86401"), ("1000000000", "60"), ("5", "120")]
)
def test_a_bad_or_second_bucket_is_refused(boss, limit, bucket):
    Bucket.objects.create(rate_limit=limit, max=1, interval=120)
    form = form_of(boss.get(change(limit)))
    most, interval = bucket
    form |= {"buckets-1-max": most, "buckets-1-interval": interval}
    response = boss.post(change(limit), form)
    assert response.status_code == 200
    assert response.context["inline_admin_formsets"][0].formset.total_error_count()
    assert Bucket.objects.count() == 1


def test_the_name_and_the_service_stay(boss, limit):
    form = form_of(boss.get(change(limit)))
    assert not {"unique_name", "service"} & set(form)
    changes = {"unique_name": "other", "service": make_service().sid, "description": "x"}
    assert boss.post(change(limit), form | changes).status_code == 302
    after = RateLimit.objects.get()
    assert (after.unique_name, after.service_id) == ("ip", limit.service_id)
    assert after.description == "x"


def test_an_operator_has_the_apis_cap_of_buckets(boss, limit, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "BUCKETS_PER_RATE_LIMIT": 1}
    Bucket.objects.create(rate_limit=limit, max=1, interval=120)
    form = form_of(boss.get(change(limit)))
    assert "buckets-0-max" in form
    assert "buckets-1-max" not in form


def test_counts_are_shown_nowhere(boss, limit):
    Bucket.objects.create(rate_limit=limit, max=7, interval=120)
    counters.consume(counters.meters(limit.service, {"ip": "203.0.113.9"}))
    key = BucketCount.objects.get().key
    for page in (LIMITS, change(limit), page_of(limit.service)):
        assert key not in boss.get(page).content.decode()
    for model in ("bucketcount", "statusreadcount", "bucket"):
        assert boss.get(f"/admin/django_verify/{model}/").status_code == 404


def test_lists_answer_no_question_but_their_own(boss, limit):
    assert boss.get(f"{LIMITS}?q=ip").status_code == 200
    answer = boss.get(f"{LIMITS}?service__account__auth_token_hash__startswith=a")
    assert answer.status_code == 400 or answer.url == f"{LIMITS}?e=1"


def test_pages_need_their_permissions(clerk, limit):
    viewer = clerk("view_verifyservice")
    page = viewer.get(page_of(limit.service)).content.decode()
    assert change(limit) not in page
    assert "Add a rate limit" not in page
    assert viewer.get(LIMITS).status_code == 403
    assert clerk("view_ratelimit").get(LIMITS).status_code == 200
    assert clerk("view_ratelimit").get(f"{LIMITS}add/").status_code == 403
