"""A service as an operator edits it, and the test message."""

import html
import re
from html.parser import HTMLParser

import pytest
from django.contrib.admin.models import LogEntry
from django.test import override_settings

from django_verify import delivery, exceptions, signals, verifications
from django_verify.models import VerificationAttempt, VerifyService
from tests.admin.conftest import MEMORY, received
from tests.conftest import PATIENCE, PHONE, make_account, make_service

pytestmark = [pytest.mark.django_db, pytest.mark.portable]

SERVICES = "/admin/django_verify/verifyservice/"


def page_of(service, page="change"):
    return f"{SERVICES}{service.sid}/{page}/"


class FormReader(HTMLParser):
    """Collects what a browser would send for the forms it is fed."""

    def __init__(self):
        super().__init__()
        self.data, self.select = {}, None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "input" and attrs.get("name"):
            self._input(attrs)
        elif tag == "select":
            self.select = attrs["name"]
        elif tag == "option" and ("selected" in attrs or self.select not in self.data):
            self.data[self.select] = attrs.get("value", "")

    def _input(self, attrs):
        kind = attrs.get("type")
        if kind == "checkbox":
            if "checked" in attrs:
                self.data[attrs["name"]] = attrs.get("value", "on")
        elif kind != "submit":
            self.data[attrs["name"]] = attrs.get("value", "")


def form_of(response):
    """What a browser would send for the form on a page, unchanged."""
    reader = FormReader()
    text = response.content.decode()
    reader.feed(text[text.index('id="content-main"') :])
    return reader.data


def save(client, service, **changes):
    """Send the service's form with some fields changed; None takes a field out."""
    data = form_of(client.get(page_of(service))) | changes
    data = {name: value for name, value in data.items() if value is not None}
    return client.post(page_of(service), data, follow=True)


def errors_of(response):
    return response.context["adminform"].form.errors


def test_the_form_round_trips(boss, two_senders):
    service = make_service(channels=["sms", "email"], senders={"sms": ["spare", "memory"]})
    before = VerifyService.objects.filter(sid=service.sid).values().get()
    response = save(boss, service)
    assert response.redirect_chain
    after = VerifyService.objects.filter(sid=service.sid).values().get()
    assert before.pop("date_updated") < after.pop("date_updated")
    assert before.pop("version") != after.pop("version")
    assert before == after
    assert LogEntry.objects.get().get_change_message() == "No fields changed."


def test_channels_and_their_senders_are_chosen(boss, two_senders):
    service = make_service()
    save(
        boss, service,
        **{
            "routing-sms": "on", "routing-sms-sender-0": "spare", "routing-sms-sender-1": "",
            "routing-sms-sender-2": "memory", "routing-call": None, "routing-whatsapp": None, "routing-telegram": None,
            "routing-email-sender-0": "mail",
        },
    )  # fmt: skip
    service.refresh_from_db()
    assert service.channels == ["sms", "email", "rcs", "sna"]  # what has no row stays as it is
    assert service.senders == {"sms": ["spare", "memory"], "email": ["mail"]}
    message = LogEntry.objects.get().get_change_message()
    assert message == "Changed Channels and senders."


def test_a_sender_is_offered_for_its_channels_only(boss, two_senders):
    page = boss.get(page_of(make_service())).content.decode()
    assert page.count('<option value="mail"') == 3
    assert page.count('<option value="spare"') == 15
    assert "Site's default: memory, spare." in page
    assert "Site's default: memory, spare, mail." in page


def test_a_channel_without_any_sender_states_so(boss, broken_sender):
    page = boss.get(page_of(make_service())).content.decode()
    assert page.count("codes cannot be sent this way") == 4


def test_what_the_table_does_not_show_is_kept(boss, two_senders):
    service = make_service(
        channels=["sna", "sms"],
        senders={
            "sna": ["carrier"],
            "sms": ["memory", "gone", "spare", "mail", "older"],
            "email": ["gone"],
        },
    )
    page = boss.get(page_of(service)).content.decode()
    assert "gone (not configured)" in page
    assert "mail (does not serve this channel)" in page
    before = dict(service.senders)
    save(boss, service, friendly_name="New")
    service.refresh_from_db()
    assert service.friendly_name == "New"
    assert service.senders == before
    assert sorted(service.channels) == ["sms", "sna"]


def test_a_sender_twice_is_refused(boss, two_senders):
    service = make_service()
    doubled = {"routing-sms-sender-0": "memory", "routing-sms-sender-2": "memory"}
    response = save(boss, service, **doubled)
    assert errors_of(response)["routing"] == [
        "Text message (SMS): the same sender is chosen twice."
    ]
    assert form_of(response)["routing-sms-sender-2"] == "memory"


def test_no_channel_is_refused(boss):
    off = {f"routing-{name}": None for name in ("sms", "call", "whatsapp", "telegram", "email")}
    response = save(boss, make_service(), **off)
    assert errors_of(response)["routing"] == ["Enable at least one channel."]


def test_an_unknown_sender_is_refused(boss):
    response = save(boss, make_service(), **{"routing-sms-sender-0": "evil"})
    assert errors_of(response)["routing"] == ["Text message (SMS): an unknown sender was chosen."]


def test_a_long_lifetime_is_saved_with_a_warning(boss):
    service = make_service()
    response = save(boss, service, lifetime="601")
    service.refresh_from_db()
    assert service.lifetime == 601
    assert any("more than 10 minutes" in text for text in received(response))
    response = save(boss, service, lifetime="600")
    assert not any("more than 10 minutes" in text for text in received(response))


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("code_length", 4, 10), ("lifetime", 120, 86400), ("max_checks", 1, 5),
        ("max_sends", 1, 10), ("totp_time_step", 20, 60), ("totp_skew", 0, 2),
    ],
)  # fmt: skip
def test_numbers_have_their_range(boss, field, low, high):
    service = make_service()
    widget = boss.get(page_of(service)).context["adminform"].form.fields[field].widget
    assert (widget.attrs["min"], widget.attrs["max"]) == (low, high)
    assert field in errors_of(save(boss, service, **{field: str(high + 1)}))


def test_a_service_is_opened_to_clients(boss):
    service = make_service(client_channels=["whatsapp", "call"])
    page = boss.get(page_of(service)).content.decode()
    assert "Apps and pages" in page
    changes = {"client_enabled": "on", "client_purposes": "sign-up\nlogin"}
    save(boss, service, client_channels=["sms", "call", "whatsapp"], **changes)
    service.refresh_from_db()
    assert service.client_enabled
    assert service.client_channels == ["whatsapp", "call", "sms"]
    assert service.purposes == ["sign-up", "login"]
    assert "client_channels" in errors_of(save(boss, service, client_channels=["pigeon"]))
    assert "client_purposes" in errors_of(save(boss, service, client_purposes="no\tspaces!"))
    save(boss, service, client_channels=None)
    service.refresh_from_db()
    assert service.client_channels == []


def test_a_service_is_added_to_an_account(boss, account):
    page = boss.get(f"{SERVICES}add/")
    text = page.content.decode()
    assert "date_created" not in text
    assert "object-tools" not in text
    data = form_of(page) | {"friendly_name": "Shop", "account": account.sid}
    boss.post(f"{SERVICES}add/", data)
    service = VerifyService.objects.get()
    assert (service.account, service.friendly_name) == (account, "Shop")
    assert service.channels == ["sms", "call", "whatsapp", "telegram", "email", "rcs", "sna"]
    assert service.senders == {}


def test_a_service_stays_with_its_account(boss):
    service, other = make_service(), make_account("Other")
    save(boss, service, account=other.sid)
    service.refresh_from_db()
    assert service.account != other


def test_the_list(boss, django_assert_max_num_queries):
    for number in range(12):
        make_service(friendly_name=f"Shop {number}", channels=["sms", "sna"])
    with django_assert_max_num_queries(7):
        page = boss.get(SERVICES).content.decode()
    assert "SMS, SNA" in page
    found = boss.get(f"{SERVICES}?q=shop+3").context["cl"].result_list
    assert [service.friendly_name for service in found] == ["Shop 3"]
    assert list(boss.get(f"{SERVICES}?q={found[0].sid[:20]}").context["cl"].result_list) == [*found]


@pytest.mark.parametrize(
    "query",
    ["account__auth_token_hash__startswith=s", "verifications__nonce__startswith=a", "senders=x"],
)
def test_the_list_answers_no_other_question(boss, query):
    make_service()
    assert boss.get(f"{SERVICES}?{query}").status_code == 400


def test_a_viewer_sees_and_changes_nothing(clerk, two_senders):
    service = make_service(channels=["sms", "email"], senders={"sms": ["spare"]})
    viewer = clerk("view_verifyservice")
    page = viewer.get(page_of(service)).content.decode()
    assert "Text message (SMS): spare<br>E-mail: site&#x27;s default" in page
    assert "<select" not in page
    assert "test message" not in page
    assert viewer.post(page_of(service), {"friendly_name": "x"}).status_code == 403
    assert viewer.get(page_of(service, "test")).status_code == 403
    assert viewer.post(page_of(service, "test"), {}).status_code == 403


def test_a_service_is_deleted_without_the_budgets_of_its_recipients(boss):
    service = make_service()
    verification = verifications.start(service, PHONE)
    boss.post(page_of(service, "delete"), {"post": "yes"})
    verification.refresh_from_db()
    assert verification.service is None
    for record in (verification, verification.attempts.get()):
        root = f"/admin/django_verify/{record._meta.model_name}/"
        for page in (root, f"{root}{record.pk}/change/"):
            assert boss.get(page).status_code == 200


def test_deleting_needs_its_permission(clerk):
    service = make_service()
    assert clerk("change_verifyservice").post(page_of(service, "delete")).status_code == 403


# The test message


def send(client, service, channel="sms", recipient="+1 (415) 555-2671"):
    data = {"channel": channel, "recipient": recipient}
    return client.post(page_of(service, "test"), data, follow=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("atomic_requests", [False, True])
def test_a_message_is_sent(boss, outbox, atomic_requests):
    from django.db import connection

    service = make_service()
    connection.settings_dict["ATOMIC_REQUESTS"] = atomic_requests
    try:
        response = send(boss, service)
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    attempt = VerificationAttempt.objects.get()
    assert outbox[0].to == PHONE
    assert response.context["outcome"].level == "success"
    text = response.content.decode()
    assert "sent. The sender “memory” accepted the message." in text
    assert f'<a href="/admin/django_verify/verificationattempt/{attempt.sid}/change/">' in text
    entry = LogEntry.objects.get()
    assert entry.get_change_message() == "Sent a test message (sms)."
    assert "4155552671" not in entry.object_repr
    assert "5552671" not in response.content.decode().replace('placeholder="+14155552671"', "")


@pytest.mark.django_db(transaction=True)
def test_a_message_that_fails_states_why_and_what_to_do(clerk, broken_sender):
    response = send(clerk("change_verifyservice"), make_service())
    outcome = response.context["outcome"]
    assert outcome.level == "error"
    assert outcome.sentence == "Text message (SMS): not sent. The sender “carrier” failed."
    assert (outcome.problem.label, outcome.problem.code) == ("No mobile number", "21614")
    text = response.content.decode()
    assert "Offer the person a call or another channel" in text
    assert "the number is not in service" in text
    assert "verificationattempt/" not in text


def outcome_of(**values):
    from django_verify.admin import testmessages

    return testmessages._outcome(VerificationAttempt(channel="call", **values))


def test_a_message_that_no_sender_took():
    outcome = outcome_of(message_status="failed", error_message="no sender serves this channel")
    assert (outcome.level, outcome.sentence) == ("error", "Phone call: not sent.")
    assert outcome.problem.sentence == "No sender serves this channel."


def test_a_message_that_was_put_off_is_explained():
    outcome = outcome_of(message_status="queued", sender="x", error_code="401", error_message="no")
    assert outcome.sentence == "Phone call: not sent yet. It will be tried again."
    assert outcome.problem.cause == "credentials"


def test_a_message_that_was_lost_behind_the_provider():
    lost = {"message_status": "undelivered", "sender": "x", "error_message": "reported by it"}
    assert outcome_of(**lost).sentence == "Phone call: accepted by “x”, and not delivered."
    assert "arrived" in outcome_of(message_status="delivered", sender="x").sentence


def test_a_message_that_is_still_queued_states_so(boss):
    # In the test's transaction nothing commits, as with a queue that has not run yet.
    outcome = send(boss, make_service()).context["outcome"]
    assert outcome.level == "warning"
    assert "look whether deliverattempts runs" in outcome.sentence


@pytest.mark.django_db(transaction=True)
def test_the_page_waits_for_a_worker(boss, settings, monkeypatch):
    from django_verify.admin import testmessages

    settings.DJANGO_VERIFY = {
        "SENDERS": {"memory": {"BACKEND": "django_verify.senders.locmem.LocmemSender"}},
        "DISPATCH": "tests.delivery.test_attempts.nobody",
    }
    slept = []

    def sleep(seconds):
        from django.db import connection

        assert not connection.in_atomic_block
        slept.append(seconds)
        if len(slept) == 2:
            assert delivery.deliver_due() == 1

    monkeypatch.setattr(testmessages, "PATIENCE", PATIENCE)
    monkeypatch.setattr(testmessages.time, "sleep", sleep)
    outcome = send(boss, make_service()).context["outcome"]
    assert (outcome.level, len(slept)) == ("success", 2)


@pytest.mark.django_db(transaction=True)
def test_a_reload_sends_nothing_and_shows_no_other_services_message(boss, outbox):
    service, other = make_service(), make_service()
    response = send(boss, service)
    ((url, _status),) = response.redirect_chain
    assert boss.get(url).context["outcome"].level == "success"
    assert len(outbox) == 1
    assert "outcome" not in boss.get(url.replace(service.sid, other.sid)).context
    assert "outcome" not in boss.get(page_of(service, "test"), {"attempt": "VLx"}).context


@pytest.mark.django_db(transaction=True)
def test_mail_goes_to_a_mail_address(boss, outbox):
    send(boss, make_service(), "email", "ann@example.com")
    assert outbox[0].to == "ann@example.com"


@pytest.mark.django_db(transaction=True)
def test_a_payment_service_gets_an_example(boss, outbox):
    send(boss, make_service(psd2_enabled=True))
    assert "€1.00" in outbox[0].body


@pytest.mark.parametrize(
    ("channel", "recipient", "field"),
    [
        ("sms", "12", "recipient"), ("sms", "ann@example.com", "recipient"),
        ("email", PHONE, "recipient"), ("email", "ann@", "recipient"), ("sms", "", "recipient"),
        ("sna", PHONE, "channel"), ("call", PHONE, "channel"),
    ],
)  # fmt: skip
def test_a_recipient_that_does_not_fit_is_refused(boss, channel, recipient, field):
    service = make_service(channels=["sms", "email", "sna"])
    response = send(boss, service, channel, recipient)
    assert list(response.context["form"].errors) == [field]
    assert not VerificationAttempt.objects.exists()
    assert not LogEntry.objects.exists()


def test_a_channel_without_sender_is_refused(boss, broken_sender):
    response = send(boss, make_service(), "call")
    assert "No configured sender" in response.context["form"].errors["channel"][0]


def test_a_limit_is_reported_with_its_end(boss, clock):
    service = make_service(max_sends=1)
    send(boss, service)
    response = send(boss, service)
    assert response.context["form"].non_field_errors() == [
        "Max send attempts reached",
        "Try again in 10 minutes.",
    ]


def test_the_hosts_refusal_is_reported(boss):
    def refuse(**kwargs):
        raise exceptions.Forbidden("Not this country")

    signals.verification_starting.connect(refuse)
    try:
        response = send(boss, make_service())
    finally:
        signals.verification_starting.disconnect(refuse)
    assert response.context["form"].non_field_errors() == ["Not this country"]


def test_the_page_of_the_test_message(boss):
    service = make_service(channels=["email"])
    page = boss.get(page_of(service, "test"))
    assert page.status_code == 200
    assert page.context["form"].fields["channel"].choices == [("email", "E-mail")]
    assert not page.context["form"].errors
    assert page_of(service, "test") in boss.get(page_of(service)).content.decode()
    assert boss.get(f"{SERVICES}VA{'0' * 32}/test/").status_code == 404


def test_the_test_message_needs_a_csrf_token(boss, outbox):
    service = make_service()
    boss.handler.enforce_csrf_checks = True
    assert send(boss, service).status_code == 403
    assert not VerificationAttempt.objects.exists()


def test_permission_may_depend_on_the_object(boss, monkeypatch):
    from django_verify.admin.services import VerifyServiceAdmin

    monkeypatch.setattr(
        VerifyServiceAdmin, "has_change_permission", lambda self, request, obj=None: obj is None
    )
    assert boss.get(page_of(make_service(), "test")).status_code == 403


def test_a_default_route_that_names_none(boss):
    service = make_service()
    with override_settings(DJANGO_VERIFY={"SENDERS": {"memory": MEMORY}, "ROUTES": {"sms": []}}):
        page = boss.get(page_of(service)).content.decode()
    assert page.count("codes cannot be sent this way") == 5


def test_sna_is_switched_where_it_has_a_provider(boss, settings):
    service = make_service()
    assert "Silent network" not in boss.get(page_of(service)).content.decode()
    settings.DJANGO_VERIFY = {
        **settings.DJANGO_VERIFY,
        "SNA": {"BACKEND": "django_verify.verifications.sna.Simulator"},
    }
    assert "Silent network" in boss.get(page_of(service)).content.decode()
    save(boss, service)
    service.refresh_from_db()
    assert "sna" in service.channels
    save(boss, service, **{"routing-sna": None})
    service.refresh_from_db()
    assert "sna" not in service.channels


def test_a_second_service_that_is_open_to_clients_is_warned_of(boss, service):
    assert "several services" not in " ".join(received(save(boss, service, client_enabled="on")))
    other = make_service(service.account, client_enabled=False)
    assert "several services" not in " ".join(received(save(boss, other)))
    assert "several services" in " ".join(received(save(boss, other, client_enabled="on")))


@pytest.mark.parametrize(
    ("level", "shown"), [("off", "Off"), ("basic", "Basic: only what is beyond doubt")]
)
def test_the_level_of_the_site_is_named_where_a_service_has_none(
    boss, service, settings, level, shown
):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "GUARD_LEVEL": level}
    page = boss.get(page_of(service)).content.decode()
    (first,) = re.findall(r'name="guard_level"[^>]*>\s*<option value=""[^>]*>([^<]*)<', page)
    assert html.unescape(first) == f"The site's level: {shown}"
