"""Test numbers as an operator keeps them: recipients masked, codes typed in and never shown."""

import datetime as dt
import sys

import pytest
from django.contrib.admin.models import LogEntry
from django.core.signals import got_request_exception
from django.utils import timezone
from django.views.debug import ExceptionReporter

from django_verify import verifications
from django_verify.models import TestNumber, Verification, VerifyService
from django_verify.verifications import testnumbers
from tests.admin.conftest import received
from tests.admin.test_services import form_of, page_of, save
from tests.conftest import OTHER_PHONE, PHONE, make_account, make_pair, make_service

pytestmark = pytest.mark.django_db

PAIRS = "/admin/django_verify/testnumber/"
VERIFICATIONS = "/admin/django_verify/verification/"
CODE = "482913"


@pytest.fixture(autouse=True)
def switched_on(settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}


def moment(days):
    end = timezone.localtime(timezone.now() + dt.timedelta(days=days))
    return {"expires_at_0": f"{end:%Y-%m-%d}", "expires_at_1": f"{end:%H:%M:%S}"}


def pair_form(of, **changes):
    form = {
        "service": of.sid, "recipient": PHONE, "code": CODE, "note": "App review",
        "is_active": "on", **moment(7), **changes,
    }  # fmt: skip
    return {name: value for name, value in form.items() if value is not None}


def page(pair):
    return f"{PAIRS}{pair.pk}/change/"


def errors_of(response):
    assert response.status_code == 200
    return response.context["adminform"].form.errors


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (PHONE, PHONE),
        ("+1 (415) 555-2671", PHONE),
        ("+1 415 555 0100", "+14155550100"),
        ("reviewer@example.com", "reviewer@example.com"),
    ],
)
def test_a_pair_is_added_from_the_services_page(boss, service, typed, stored):
    add = f"{PAIRS}add/?service={service.sid}"
    assert add in boss.get(page_of(service)).content.decode()
    form = form_of(boss.get(add))
    assert form["service"] == service.sid
    made = boss.post(f"{PAIRS}add/", form | pair_form(service, recipient=typed), follow=True)
    assert made.redirect_chain
    pair = TestNumber.objects.get()
    assert (pair.recipient, pair.service, pair.note) == (stored, service, "App review")
    assert testnumbers.code_of(service, stored) == CODE
    (entry,) = LogEntry.objects.all()
    assert entry.object_repr == pair.sid
    for secret in (CODE, stored):
        assert secret not in entry.change_message + entry.object_repr
    assert CODE not in made.content.decode()
    assert page(pair) in boss.get(page_of(service)).content.decode()


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("recipient", {"recipient": ""}),
        ("recipient", {"recipient": "x"}),
        ("recipient", {"recipient": "415 555 2671"}),
        ("recipient", {"recipient": "a@b"}),
        ("code", {"code": ""}),
        ("code", {"code": "123"}),
        ("code", {"code": "12345678901"}),
        ("code", {"code": "12a456"}),
        ("code", {"code": "١٢٣٤"}),
        ("expires_at", {"expires_at_0": "", "expires_at_1": ""}),
        ("expires_at", moment(-1)),
        ("expires_at", moment(91)),
        ("service", {"service": ""}),
    ],
)
def test_a_bad_pair_is_refused(boss, service, field, changes):
    response = boss.post(f"{PAIRS}add/", pair_form(service, **changes))
    assert field in errors_of(response)
    assert not TestNumber.objects.exists()
    typed = changes.get("code") or CODE
    assert f'value="{typed}"' not in response.content.decode()


def test_a_recipient_is_added_once_to_a_service(boss, account, service):
    make_pair(service)
    response = boss.post(f"{PAIRS}add/", pair_form(service, recipient="+1 415 555 2671"))
    assert "already" in str(errors_of(response))
    assert boss.post(f"{PAIRS}add/", pair_form(make_service(account))).status_code == 302


def test_a_pair_is_changed_and_keeps_its_code(boss, service):
    pair = make_pair(service)
    form = form_of(boss.get(page(pair)))
    assert (form["code"], set(form) & {"recipient", "service"}) == ("", set())
    form |= {"note": "CI", "recipient": OTHER_PHONE, **moment(89)}
    assert boss.post(page(pair), form).status_code == 302
    pair.refresh_from_db()
    assert (pair.note, pair.recipient) == ("CI", PHONE)
    assert testnumbers.code_of(service, PHONE) == CODE
    form = form_of(boss.get(page(pair))) | {"code": "0000"}
    assert boss.post(page(pair), form).status_code == 302
    assert testnumbers.code_of(service, PHONE) == "0000"
    messages = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert messages == ["Changed Note and Expires.", "Changed Code."]


def test_what_has_ended_can_be_switched_off_and_not_made_endless(boss, service):
    pair = make_pair(service, days=-1)
    form = form_of(boss.get(page(pair)))
    form.pop("is_active")
    assert boss.post(page(pair), form).status_code == 302
    pair.refresh_from_db()
    assert not pair.is_active
    for end in ({"expires_at_0": "", "expires_at_1": ""}, moment(-2), moment(91)):
        assert "expires_at" in errors_of(boss.post(page(pair), form | end))


@pytest.mark.portable
def test_no_page_shows_a_code(boss, service):
    pair = make_pair(service)
    for path in (PAIRS, page(pair), f"{PAIRS}{pair.pk}/history/", page_of(service)):
        text = boss.get(path).content.decode()
        for secret in (CODE, pair.sealed_code):
            assert secret not in text


def test_error_mail_shows_neither_code_nor_recipient(boss, service, monkeypatch):
    mails = []

    def fail(*args, **kwargs):
        raise RuntimeError("broken")

    def report(sender, request, **kwargs):
        mails.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_text())

    form = pair_form(service, recipient="+1 415 555 2671")
    boss.raise_request_exception = False
    got_request_exception.connect(report)
    for method in ("save", "set_code", "clean"):
        with monkeypatch.context() as patch:
            patch.setattr(TestNumber, method, fail)
            assert boss.post(f"{PAIRS}add/", form).status_code == 500
    got_request_exception.disconnect(report)
    assert len(mails) == 3
    for mail in mails:
        for secret in (CODE, PHONE, "+1 415 555 2671"):
            assert secret not in mail


def test_recipients_are_masked(boss, clerk, service):
    pair = make_pair(service)
    paths = {PAIRS: (), page(pair): (), page_of(service): ("view_verifyservice",)}
    for path, more in paths.items():
        text = clerk("view_testnumber", *more).get(path).content.decode()
        assert PHONE not in text
        assert "+141******71" in text
        seen = clerk("view_testnumber", "see_full_recipients", *more).get(path).content.decode()
        assert PHONE in seen


def test_staff_need_the_permissions_of_their_own(clerk, service):
    pair = make_pair(service)
    stranger = clerk("view_verifyservice", "change_verifyservice", "view_verification")
    for path in (PAIRS, page(pair), f"{PAIRS}add/", f"{PAIRS}{pair.pk}/delete/"):
        assert stranger.get(path).status_code == 403
    text = stranger.get(page_of(service)).content.decode()
    assert "+141******71" not in text
    assert f"{PAIRS}add/" not in text
    viewer = clerk("view_testnumber")
    looked = viewer.get(page(pair))
    assert looked.status_code == 200
    assert 'name="code"' not in looked.content.decode()
    assert viewer.post(page(pair), pair_form(service, code="0000")).status_code == 403
    assert viewer.post(f"{PAIRS}add/", pair_form(service)).status_code == 403
    assert testnumbers.code_of(service, PHONE) == CODE
    adder = clerk("add_testnumber", "view_verifyservice")
    assert adder.post(f"{PAIRS}add/", pair_form(service, recipient=OTHER_PHONE)).status_code == 302
    deleter = clerk("delete_testnumber", "view_testnumber")
    assert deleter.post(f"{PAIRS}{pair.pk}/delete/", {"post": "yes"}).status_code == 302


def test_the_list_answers_its_own_filter_only(boss, service):
    make_pair(service)
    make_pair(service, OTHER_PHONE, is_active=False)
    assert boss.get(PAIRS, {"is_active__exact": "1"}).context["cl"].result_count == 1
    for query in ({"address__startswith": "+1"}, {"key": PHONE}, {"sealed_code__gt": ""}):
        assert boss.get(PAIRS, query).status_code in {302, 400}
    assert boss.get(PAIRS, {"q": PHONE}).context["cl"].result_count == 0


def test_saving_states_that_they_are_switched_off(boss, service, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": False}
    response = boss.post(f"{PAIRS}add/", pair_form(service), follow=True)
    assert any("switched off" in text for text in received(response))


def test_a_service_takes_its_pairs_along(boss, service):
    make_pair(service)
    path = f"/admin/django_verify/verifyservice/{service.sid}/delete/"
    assert boss.post(path, {"post": "yes"}).status_code == 302
    assert not TestNumber.objects.exists()


def test_verifications_report_and_can_be_filtered(boss, service):
    make_pair(service)
    rows = {to: verifications.start(service, to) for to in (PHONE, OTHER_PHONE)}
    for choice, to in (("1", PHONE), ("0", OTHER_PHONE)):
        listed = boss.get(VERIFICATIONS, {"test": choice}).context["cl"].queryset
        assert [row.sid for row in listed] == [rows[to].sid]
    assert boss.get(VERIFICATIONS, {"test": "x"}).context["cl"].result_count == 2
    shown = boss.get(f"{VERIFICATIONS}{rows[PHONE].sid}/change/").content.decode()
    assert "Test number" in shown
    assert Verification.objects.filter(is_test=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_test_message_states_that_it_was_withheld(boss, service):
    make_pair(service)
    data = {"channel": "sms", "recipient": PHONE}
    response = boss.post(page_of(service, "test"), data, follow=True)
    assert response.context["outcome"].problem.text == "withheld: test"


@pytest.mark.parametrize(
    ("typed", "kept"), [("Example.COM", "example.com"), ("", ""), ("https://example.com", None)]
)
def test_the_autofill_domain_is_a_host(boss, typed, kept):
    service = make_service(make_account(), autofill_domain="old.example")
    response = save(boss, service, autofill_domain=typed)
    if kept is None:
        assert "autofill_domain" in errors_of(response)
        kept = "old.example"
    assert VerifyService.objects.get(pk=service.pk).autofill_domain == kept
