"""No code, secret or whole recipient on any page or in any file of a viewer without the permission."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from django_verify.admin.dashboard.sheet import DIMENSIONS
from django_verify.crypto import codes
from django_verify.models import (
    Dashboard,
    GuardDecision,
    PushCredential,
    SenderState,
    Verification,
    VerificationAttempt,
)
from tests.admin.samples import SEED, one_of_each
from tests.conftest import OTHER_PHONE, PHONE

pytestmark = [pytest.mark.django_db, pytest.mark.portable]

APPS = ("django_verify", "django_verify_users")
MAIL, SECRET = "someone.with.a.name@example.com", "Kq7Zp3Wv-planted"
# Whole numbers, and what is left of one without its plus or its country code.
NUMBERS = (PHONE, OTHER_PHONE, "+4915112345678")
PLANTED = [number[1:] for number in NUMBERS] + [PHONE[2:], MAIL, SECRET, SEED]


@pytest.fixture
def rows(account):
    row = one_of_each(account)
    said = f"Authenticate: {PHONE}, {MAIL} is not allowed"
    VerificationAttempt.objects.update(provider_sid=f"m/{PHONE}", error_message=said)
    SenderState.objects.create(
        alias="memory", failures=9, failing_since=timezone.now(), open_until=timezone.now(),
        last_code="401", last_error=said, last_error_at=timezone.now(),
    )  # fmt: skip
    GuardDecision.objects.update(reason=f"{PHONE} has had five codes")
    push = PushCredential.objects.get()
    push.seal_secret(SECRET)
    push.save()
    return row, {codes.reveal(each) for each in Verification.objects.all()}


def viewer(*without):
    user = User.objects.create_user("clerk", is_staff=True)
    ours = Permission.objects.filter(content_type__app_label__in=APPS)
    user.user_permissions.set(ours.exclude(codename__in=without))
    client = Client()
    client.force_login(user)
    return client


def pages():
    """Every URL of our part of the admin, of one row of each model."""
    for model, page in admin.site._registry.items():
        if model._meta.app_label not in APPS:
            continue
        row = model._default_manager.first() if model is not Dashboard else None
        args = ["memory" if model is SenderState else row.pk] if row else []
        for pattern in page.get_urls():
            if pattern.name is None:
                continue
            for given in ([], args, *([[name] for name in TABLES] if row is None else [])):
                try:
                    yield reverse(f"admin:{pattern.name}", args=given)
                except NoReverseMatch:
                    continue
    yield "/admin/"
    yield "/admin/django_verify/"
    for query in (f"q={PHONE[-4:]}", f"q=%2B{PHONE[1:]}", "q=m/"):
        for name in ("verification", "verificationattempt"):
            yield f"/admin/django_verify/{name}/?{query}"
    yield f"{reverse('admin:django_verify_dashboard_export', args=['attempts'])}?figure=failed"


TABLES = [*DIMENSIONS, "attempts", "blocks", "time", "waiting"]


def body(response):
    content = response.getvalue() if response.streaming else response.content
    return content.decode()


def shown(client, secret_codes, part=""):
    """What is planted on which page, but for what was typed to find it."""
    found, seen = {}, 0
    for url in [url for url in dict.fromkeys(pages()) if part in url]:
        response = client.get(url)
        if response.status_code != 200:
            assert response.status_code in {302, 403, 405}, url
            continue
        seen += 1
        text = re.sub(r'placeholder="[^"]*"', "", body(response))  # an example is nobody's
        if "q=" in url:
            text = re.sub(r'(value="[^"]*"|href="[^"]*")', "", text)
        there = [one for one in PLANTED if one in text]
        # Six digits may be part of an identifier.
        there += [code for code in secret_codes if re.search(rf"(?<!\w){code}(?!\w)", text)]
        if there:
            found[url] = there
    assert seen > (3 if part else 90)
    return found


def test_nothing_is_shown_to_who_may_not_see_it(rows):
    assert shown(viewer("see_full_recipients"), rows[1]) == {}


def test_what_is_looked_for_is_found_by_who_may_see_it(rows):
    found = shown(viewer(), rows[1], "attempt")
    there = {one for each in found.values() for one in each}
    assert {PHONE[1:], MAIL} <= there
    assert not there & {SECRET, SEED, *rows[1]}
    assert any("export/attempts" in url for url in found)
    assert Verification.objects.count() == 3
