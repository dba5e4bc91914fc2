"""The records: what is shown to whom, what can be asked, and the one thing that can be done."""

from urllib.parse import quote

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session

from django_verify import verifications
from django_verify.crypto import codes
from django_verify.models import ClientVerification, Verification, VerificationAttempt
from django_verify.verifications import clients, devices
from tests.admin.conftest import received
from tests.conftest import OTHER_PHONE, PHONE, code_in, make_account, make_key, make_service

pytestmark = pytest.mark.django_db

ROWS = "/admin/django_verify/verification/"
ATTEMPTS = "/admin/django_verify/verificationattempt/"
MASKED = "+141******71"


def found(client, query="", rows=ROWS):
    response = client.get(f"{rows}?{query}")
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


@pytest.fixture
def row(service):
    return verifications.start(service, PHONE)


def page_of(row):
    rows = ROWS if isinstance(row, Verification) else ATTEMPTS
    return f"{rows}{row.sid}/change/"


@pytest.fixture
def viewer(clerk):
    return clerk("view_verification", "view_verificationattempt")


@pytest.fixture
def trusted(clerk):
    return clerk("view_verification", "view_verificationattempt", "see_full_recipients")


# What is shown


def test_recipients_are_masked(viewer, row):
    pages = [ROWS, page_of(row), ATTEMPTS, page_of(row.attempts.get()), f"{ROWS}{row.sid}/history/"]
    for page in pages:
        response = viewer.get(page)
        assert response.status_code == 200
        assert PHONE not in response.content.decode()
        assert PHONE[1:] not in response.content.decode()
    for page in pages[:4]:
        assert MASKED in viewer.get(page).content.decode()


def test_recipients_are_shown_with_the_permission(trusted, row):
    for page in (ROWS, page_of(row), ATTEMPTS, page_of(row.attempts.get())):
        assert PHONE in trusted.get(page).content.decode()


def test_mail_addresses_are_masked(viewer, service):
    verifications.start(service, "annabel@example.com", "email")
    page = viewer.get(ROWS).content.decode()
    assert "annabel" not in page
    assert "a***@example.com" in page


def test_a_payment_is_masked(viewer, trusted, account):
    service = make_service(account, psd2_enabled=True)
    row = verifications.start(service, PHONE, amount="€39.99", payee="Shop of Horrors")
    page = viewer.get(page_of(row)).content.decode()
    assert "39.99" not in page
    assert "Horrors" not in page
    page = trusted.get(page_of(row)).content.decode()
    assert "€39.99" in page
    assert "Shop of Horrors" in page


def test_tags_and_digits_to_dial_need_the_permission(viewer, trusted, service):
    row = verifications.start(service, PHONE, "call", send_digits="47#11w08", tags={"user": "ann"})
    attempt = row.attempts.get()
    page = trusted.get(page_of(attempt)).content.decode()
    assert "47#11w08" in page
    assert "user&quot;: &quot;ann" in page
    page = viewer.get(page_of(attempt)).content.decode()
    assert "47#11w08" not in page
    assert "user&quot;" not in page


def test_a_row_reports_its_counts(boss, service, clock):
    verifications.start(service, PHONE)
    row = verifications.start(service, PHONE)
    Verification.objects.update(checks=3)
    page = boss.get(ROWS).content.decode()
    for text in (">3/5<", ">pending<", ">United States<", ">SMS<", ">just now<"):
        assert text in page
    assert "2/5" in boss.get(page_of(row)).content.decode()
    clock.shift(600)
    assert ">expired<" in boss.get(ROWS).content.decode()
    assert "expired" in boss.get(page_of(row)).content.decode()


def test_the_list_has_no_query_per_row(boss, account, django_assert_max_num_queries):
    for number in range(15):
        service = make_service(account, friendly_name=f"Shop {number}")
        verifications.start(service, f"+1415555{2600 + number}")
    with django_assert_max_num_queries(8):
        assert b"Shop 14" in boss.get(ROWS).content
    with django_assert_max_num_queries(8):
        assert b"Shop 14" in boss.get(ATTEMPTS).content


def test_nothing_can_be_changed(boss, row):
    for rows, obj in ((ROWS, row), (ATTEMPTS, row.attempts.get())):
        assert boss.get(f"{rows}add/").status_code == 403
        assert boss.post(f"{rows}add/", {"to": PHONE}).status_code == 403
        assert boss.post(page_of(obj), {"status": "approved"}).status_code == 403
        assert boss.post(f"{rows}{obj.sid}/delete/", {"post": "yes"}).status_code == 403
        page = boss.get(page_of(obj)).content.decode()
        assert 'name="_save"' not in page
        assert "deletelink" not in page
    row.refresh_from_db()
    assert row.status == "pending"


def test_an_attempt_reports_its_price(boss, row):
    VerificationAttempt.objects.update(price_value="0.05", price_currency="USD")
    assert "0.05 USD" in boss.get(page_of(row.attempts.get())).content.decode()


# What can be asked


@pytest.mark.parametrize("rows", [ROWS, ATTEMPTS])
def test_search_by_sid(viewer, service, row, rows):
    verifications.start(service, OTHER_PHONE)
    attempt = row.attempts.get()
    wanted = [row] if rows == ROWS else [attempt]
    for sid in (row.sid, attempt.sid):
        for spelling in (sid, sid[:2] + sid[2:].upper(), sid.upper(), f" {sid} "):
            assert found(viewer, f"q={spelling}", rows) == wanted
    assert found(viewer, f"q={row.sid[:33]}", rows) == []
    assert found(viewer, "q=VE" + "0" * 32, rows) == []


@pytest.mark.parametrize("rows", [ROWS, ATTEMPTS])
def test_search_by_whole_recipient(viewer, trusted, service, row, rows):
    mail = verifications.start(service, "ann@example.com", "email")
    wanted = [row] if rows == ROWS else [row.attempts.get()]
    for client in (viewer, trusted):
        for spelling in ("%2B14155552671", "%2B1 (415) 555-2671", "14155552671"):
            assert found(client, f"q={spelling}", rows) == wanted
        assert [r.pk for r in found(client, "q=ann@EXAMPLE.com", rows)] == [
            mail.pk if rows == ROWS else mail.attempts.get().pk
        ]
        assert found(client, "q=%2B15017122661", rows) == []
        assert found(client, "q=ann%2Bx@example.com", rows) == []
        assert len(found(client, "q=%20", rows)) == 2


@pytest.mark.parametrize("rows", [ROWS, ATTEMPTS])
@pytest.mark.parametrize(
    ("to", "spelling"),
    [
        ("+525512340001", "+5215512340001"),
        ("+525512340001", "+٥٢ ٥٥ ١٢٣٤ ٠٠٠١"),
        ("+525512340001", "\u200e+52 [55] 1234ー0001\u200f"),
        ("+525512340001", "0052 1 55 1234 0001"),
        ("+525512340001", "00 52 55 1234 0001"),
        ("+541123450001", "+54 9 11 2345-0001"),
        ("+390549886377", "+3780549886377"),
        ("jane@gmail.com", "ja.ne@googlemail.com"),
        ("ann@example.com", " \u200fann@example.com "),
    ],
    ids=ascii,
)
def test_search_by_any_spelling(viewer, trusted, service, rows, to, spelling):
    service.allowed_number_types = ["landline"]
    started = verifications.start(service, to, "email" if "@" in to else "sms")
    wanted = [started] if rows == ROWS else [started.attempts.get()]
    for client in (viewer, trusted):
        assert found(client, f"q={quote(spelling)}", rows) == wanted


@pytest.mark.parametrize("rows", [ROWS, ATTEMPTS])
def test_search_by_a_number_of_the_sites_region(viewer, service, settings, rows):
    settings.PHONENUMBER_DEFAULT_REGION = "FR"
    started = verifications.start(service, "+590690335941")
    wanted = [started] if rows == ROWS else [started.attempts.get()]
    assert found(viewer, f"q={quote('0690 33 59 41')}", rows) == wanted


@pytest.mark.parametrize("rows", [ROWS, ATTEMPTS])
@pytest.mark.parametrize(
    "beginning", ["%2B1415", "1415", "001415", "+", "a", "ann@", "%2B1415555267"]
)
def test_search_by_beginning_needs_the_permission(viewer, trusted, service, row, rows, beginning):
    verifications.start(service, "ann@example.com", "email")
    assert found(viewer, f"q={beginning}", rows) == (
        [] if beginning != "+" else found(viewer, "", rows)
    )
    assert found(trusted, f"q={beginning}", rows)


@pytest.mark.parametrize("client_name", ["viewer", "trusted", "boss"])
@pytest.mark.parametrize(
    "query",
    [
        "to__startswith=%2B1415", "to=%2B14155552671", "to__regex=.", "nonce__startswith=a",
        "nonce=a", "sealed_code__gt=a", "sealed_code=a", "key_id=a", "recipient_key__contains=1",
        "serial=1", "amount=1", "payee__startswith=a", "service__account__auth_token_hash__gt=a",
        "service__sid__exact=a", "sid__startswith=VE", "attempts__lease__startswith=a",
        "account__sid=a", "status__in=pending", "date_created__year=2026", "checks=1",
    ],
)  # fmt: skip
def test_no_other_question_is_answered(request, row, client_name, query):
    client = request.getfixturevalue(client_name)
    assert client.get(f"{ROWS}?{query}").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "verification__to__startswith=%2B1", "verification__to=%2B14155552671",
        "verification__nonce=a", "verification__sealed_code__gt=a", "lease__startswith=a",
        "tags__user=ann", "verification=VE", "send_digits=1",
    ],
)  # fmt: skip
def test_no_other_question_about_attempts_is_answered(boss, row, query):
    assert boss.get(f"{ATTEMPTS}?{query}").status_code == 400


@pytest.mark.parametrize("field", ["to", "nonce", "sealed_code", "recipient_key"])
def test_a_row_is_addressed_by_its_sid_alone(boss, row, field):
    for page in (ROWS, page_of(row)):
        assert boss.get(f"{page}?_to_field={field}").status_code == 400
    assert boss.get(f"{ROWS}{PHONE}/change/").status_code == 302


@pytest.mark.portable
@pytest.mark.parametrize("rows", [ROWS, ATTEMPTS])
def test_the_lists_cannot_be_sorted_by_recipient(viewer, trusted, service, rows):
    for number in ("+14155552699", "+14155552600", "+14155552655"):
        verifications.start(service, number)
    for client in (viewer, trusted):
        for column in range(10):
            for sign in ("", "-"):
                changelist = client.get(f"{rows}?o={sign}{column}").context["cl"]
                order = changelist.queryset.query.order_by
                assert not any("to" in name.strip("-").split("__") for name in order)
        assert found(client, "o=1", rows) == found(client, "o=-1", rows)


def test_completion_answers_no_beginning(viewer, trusted, row):
    def complete(client, term):
        return client.get(
            "/admin/autocomplete/",
            {
                "app_label": "django_verify", "model_name": "verificationattempt",
                "field_name": "verification", "term": term,
            },
        )  # fmt: skip

    assert complete(viewer, "+1415").json()["results"] == []
    answer = complete(viewer, PHONE)
    assert answer.json()["results"] == [{"id": row.sid, "text": row.sid}]
    assert complete(trusted, "+1415").json()["results"] == answer.json()["results"]


def test_the_status_filter_goes_by_the_clock(boss, service, clock):
    old = verifications.start(service, PHONE)
    marked = verifications.start(service, "+14155552600")
    Verification.objects.filter(sid=marked.sid).update(status="expired")
    clock.shift(600)
    new = verifications.start(service, OTHER_PHONE)
    done = verifications.start(service, "+14155552699")
    verifications.approve(service, done.sid)
    assert found(boss, "status=pending") == [new]
    assert set(found(boss, "status=expired")) == {old, marked}
    assert found(boss, "status=approved") == [done]
    assert len(found(boss)) == 4


def test_the_other_filters(boss, account, service):
    row = verifications.start(service, PHONE)
    mail = verifications.start(make_service(account), "ann@example.com", "email")
    assert found(boss, "channel=email") == [mail]
    assert found(boss, "country=US") == [row]
    assert found(boss, "country=-") == [mail]
    assert found(boss, f"service={service.sid}") == [row]
    assert len(found(boss, "date_created__gte=2020-01-01+00:00:00%2B00:00")) == 2
    attempts = {row: row.attempts.get(), mail: mail.attempts.get()}
    VerificationAttempt.objects.filter(verification=mail).update(message_status="failed")
    assert found(boss, "message_status=failed", ATTEMPTS) == [attempts[mail]]
    assert found(boss, "country=-", ATTEMPTS) == [attempts[mail]]
    assert found(boss, f"service={service.sid}", ATTEMPTS) == [attempts[row]]
    page = boss.get(ROWS).content.decode()
    assert "?country=-" in page
    assert "Acme (Acme Inc.)" in page


# Who may look


def test_each_list_needs_its_permission(clerk, row):
    client = clerk("see_full_recipients")
    for page in (ROWS, ATTEMPTS, page_of(row), page_of(row.attempts.get())):
        assert client.get(page).status_code == 403


def test_attempts_are_not_shown_without_their_permission(clerk, row):
    page = clerk("view_verification").get(page_of(row)).content.decode()
    assert row.attempts.get().sid not in page


# Cancel


def ask(client, *rows, **data):
    data = {"action": "cancel_selected", "_selected_action": [row.sid for row in rows]} | data
    return client.post(ROWS, data, follow=True)


def test_verifications_are_canceled_after_a_question(clerk, service, row):
    client = clerk("view_verification", "cancel_verification")
    other = verifications.start(service, OTHER_PHONE)
    done = verifications.start(service, "+14155552699")
    verifications.approve(service, done.sid)
    question = ask(client, row, other, done)
    page = question.content.decode()
    assert question.status_code == 200
    assert MASKED in page
    assert PHONE[1:] not in page
    row.refresh_from_db()
    assert row.status == "pending"

    answer = ask(client, row, other, done, confirmed="yes")
    assert received(answer) == ["2 verifications were canceled. 1 was already over."]
    row.refresh_from_db()
    assert row.status == "canceled"
    entries = LogEntry.objects.all()
    assert {entry.object_id for entry in entries} == {row.sid, other.sid}
    for entry in entries:
        assert entry.object_repr == entry.object_id
        assert entry.get_change_message() == "Canceled."

    answer = ask(client, row, confirmed="yes")
    assert received(answer) == ["0 verifications were canceled. 1 was already over."]


def test_one_that_ended_meanwhile_is_counted(boss, row):
    data = {"action": "cancel_selected", "_selected_action": [row.sid], "confirmed": "yes"}
    other = verifications.start(row.service, OTHER_PHONE)
    verifications.approve(row.service, row.sid)
    data["_selected_action"].append(other.sid)
    response = boss.post(f"{ROWS}?status=pending", data, follow=True)
    assert received(response) == ["1 verification was canceled. 1 was already over."]


def test_the_question_shows_full_recipients_to_those_who_may_see_them(boss, row):
    assert PHONE in ask(boss, row).content.decode()


def test_cancel_needs_its_permission(viewer, clerk, row):
    editor = clerk("view_verification", "see_full_recipients")
    for client in (viewer, editor):
        assert ask(client, row).status_code == 403
        assert ask(client, row, confirmed="yes").status_code == 403
        assert "cancel_selected" not in client.get(ROWS).content.decode()
    row.refresh_from_db()
    assert row.status == "pending"
    assert not LogEntry.objects.exists()


def test_cancel_needs_post_and_a_csrf_token(boss, row):
    query = f"action=cancel_selected&_selected_action={row.sid}&confirmed=yes"
    assert boss.get(f"{ROWS}?{query}").status_code == 400
    boss.handler.enforce_csrf_checks = True
    assert ask(boss, row, confirmed="yes").status_code == 403
    row.refresh_from_db()
    assert row.status == "pending"


def test_too_many_at_once_are_refused(boss, service, row, monkeypatch):
    monkeypatch.setattr("django_verify.admin.verifications.CANCEL_AT_ONCE", 1)
    verifications.start(service, OTHER_PHONE)
    response = ask(boss, row, select_across="1")
    assert received(response) == ["At most 1 verifications can be chosen at once."]


def test_canceling_asks_no_service_per_row(boss, service, django_assert_max_num_queries):
    rows = [verifications.start(service, f"+1415555{2600 + n}") for n in range(10)]
    with django_assert_max_num_queries(10):
        ask(boss, *rows)


# No code anywhere


@pytest.mark.portable
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("custom_code", ["", "837261"])
def test_no_page_holds_a_code(boss, outbox, custom_code):
    account = make_account()
    key = make_key(account)
    service = make_service(account, custom_code_enabled=True)
    row = verifications.start(service, PHONE, custom_code=custom_code)
    assert code_in(outbox[0]) == codes.reveal(row)
    verifications.start(service, PHONE, "call", custom_code=custom_code)
    row.refresh_from_db()
    attempt = row.attempts.first()
    secrets = [
        code_in(outbox[0]), ", ".join(code_in(outbox[0])), row.nonce, row.key_id,
        account.auth_token_hash, key.secret_hash, *filter(None, [row.sealed_code]),
    ]  # fmt: skip
    assert bool(row.sealed_code) == bool(custom_code)
    root = "/admin/django_verify/"
    objects = {
        "account": account, "apikey": key, "verifyservice": service, "verification": row,
        "verificationattempt": attempt,
    }  # fmt: skip
    pages = ["/admin/", root, f"{ROWS}?q={PHONE[1:]}", f"{ROWS}?_facets=True"]
    pages += [f"{root}{model}/" for model in objects]
    for model, obj in objects.items():
        pages += [f"{root}{model}/{obj.sid}/{page}/" for page in ("change", "history")]
    pages += [
        f"{root}{model}/{objects[model].sid}/delete/" for model in ("account", "verifyservice")
    ]
    pages += [f"{root}verifyservice/{service.sid}/test/"]
    texts = {page: boss.get(page) for page in pages}
    assert {answer.status_code for answer in texts.values()} == {200}
    texts["question"] = ask(boss, row)
    texts["test message"] = boss.post(
        f"{root}verifyservice/{service.sid}/test/",
        {"channel": "sms", "recipient": PHONE},
        follow=True,
    )
    texts["answer"] = ask(boss, row, confirmed="yes")
    for page, answer in texts.items():
        for secret in secrets:
            assert secret not in answer.content.decode(), page
    stored = [session.get_decoded() for session in Session.objects.all()]
    logged = list(LogEntry.objects.values())
    assert not [secret for secret in [*secrets, PHONE] if secret in f"{stored} {logged}"]


def test_no_page_is_built_from_a_hidden_column(rf, boss, row):
    from django.contrib import admin
    from django.contrib.auth.models import User

    request = rf.get("/")
    request.user = User.objects.get(username="boss")
    hidden = {"nonce", "sealed_code", "key_id", "recipient_key", "serial", "lease"}
    for model in (Verification, VerificationAttempt):
        page = admin.site.get_model_admin(model)
        assert not hidden & {*page.get_fields(request), *page.get_list_display(request)}
    (inline,) = admin.site.get_model_admin(Verification).get_inline_instances(request)
    assert not hidden & {*inline.get_fields(request)}


def test_a_recipient_is_released_after_a_question(clerk, viewer, service, row):
    verifications.cancel(service, row.sid)
    Verification.objects.update(checks=4)
    data = {"action": "release_selected", "_selected_action": [row.sid]}
    assert viewer.post(ROWS, data | {"confirmed": "yes"}).status_code == 403
    client = clerk("view_verification", "release_recipient")
    question = client.post(ROWS, data).content.decode()
    assert "Unlock these recipients?" in question
    assert PHONE not in question
    row.refresh_from_db()
    assert not row.forgiven
    answer = client.post(ROWS, data | {"confirmed": "yes"}, follow=True)
    assert received(answer) == ["1 recipient was unlocked."]
    row.refresh_from_db()
    assert row.forgiven
    assert "Unlocked" in LogEntry.objects.get().change_message


def test_a_clients_own_verification_names_the_client(boss, service):
    client = ClientVerification(service=service)
    verifications.start(service, PHONE, client=client)
    verifications.start(service, PHONE)
    pages = {
        row.client: boss.get(f"/admin/django_verify/verification/{row.sid}/change/")
        for row in Verification.objects.all()
    }
    assert client.sid in pages[client.sid].content.decode()
    assert "Client:" not in pages[""].content.decode()


@pytest.mark.django_db(transaction=True)
def test_known_devices_are_forgotten_after_a_question(clerk, viewer, account, outbox):
    service = make_service(account, client_enabled=True)
    state = clients.start(service, PHONE, caller=clients.Caller(ip="192.0.2.1"))
    code = outbox[-1].code
    token = clients.check(state.sid, state.secret, code, caller=clients.Caller()).device_token
    row = Verification.objects.get(client=state.sid)
    data = {"action": "forget_selected", "_selected_action": [row.sid]}
    assert viewer.post(ROWS, data | {"confirmed": "yes"}).status_code == 403
    assert devices.recognize(token, service, PHONE)
    client = clerk("view_verification", "release_recipient")
    assert "Forget the known devices?" in client.post(ROWS, data).content.decode()
    assert devices.recognize(token, service, PHONE)
    answer = client.post(ROWS, data | {"confirmed": "yes"}, follow=True)
    assert received(answer) == ["1 approval was forgotten."]
    assert devices.recognize(token, service, PHONE) == ""
    assert token not in answer.content.decode()
    assert "Forgot" in LogEntry.objects.get().change_message
