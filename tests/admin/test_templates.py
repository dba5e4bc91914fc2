"""Templates, messaging services and countries as an operator edits them."""

import pytest

from django_verify import delivery
from django_verify.models import MessagingConfiguration, MessagingService, Template, VerifyService
from tests.admin.test_services import form_of, page_of, save
from tests.conftest import make_account, make_service
from tests.messages.test_templates import make_template

pytestmark = pytest.mark.django_db

TEMPLATES = "/admin/django_verify/template/"
MESSAGING = "/admin/django_verify/messagingservice/"
TEXT = "Hi {{name}}, {{code}} is your {{friendly_name}} code ({{ttl}} min)."


def add_template(client, **changes):
    data = {
        "friendly_name": "Ours", "account": "", "channels": ["sms", "voice"],
        "translations-TOTAL_FORMS": "1", "translations-INITIAL_FORMS": "0",
        "translations-0-locale": "pt_br", "translations-0-text": TEXT,
        "translations-0-status": "approved", "translations-0-is_default": "on",
    } | changes  # fmt: skip
    data = {name: value for name, value in data.items() if value is not None}
    return client.post(f"{TEMPLATES}add/", data, follow=True)


def problems(response):
    formset = response.context["inline_admin_formsets"][0].formset
    found = [*formset.non_form_errors()]
    for errors in [response.context["adminform"].form.errors, *formset.errors]:
        found += [message for messages in errors.values() for message in messages]
    return " ".join(found)


def test_a_template_is_made_and_shown(boss):
    response = add_template(boss)
    assert response.redirect_chain
    template = Template.objects.exclude(sid__startswith="HJ000000").get()
    assert (template.account, template.channels) == (None, ["sms", "voice"])
    (row,) = template.translations.all()
    assert (row.locale, row.text, row.is_default) == ("pt-BR", TEXT, True)
    page = boss.get(f"{TEMPLATES}{template.sid}/change/").content.decode()
    assert "Hi name, 123456 is your Acme code (10 min)." in page
    assert "43 characters, GSM-7" in page
    assert "1 segment" in page
    assert "The caller fills in: name" in page
    assert "<script>" not in page
    assert "pt-BR" in boss.get(TEMPLATES).content.decode()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"translations-0-text": "No code"}, "must hold {{code}}"),
        ({"translations-0-text": "{{ code }}"}, "without spaces"),
        ({"translations-0-text": "a\nb {{code}}"}, "Line breaks"),
        ({"translations-0-locale": "e1"}, "language"),
        ({"translations-0-is_default": None}, "exactly one"),
        ({"translations-TOTAL_FORMS": "0"}, "at least"),
        ({"channels": None}, "required"),
        ({"channels": ["email"]}, "valid choice"),
        ({"friendly_name": "x" * 33}, "32"),
    ],
)
def test_a_template_that_is_refused(boss, changes, part):
    before = Template.objects.count()
    assert part in problems(add_template(boss, **changes))
    assert Template.objects.count() == before


def test_the_preview_answers_what_is_typed(boss, clerk):
    url = f"{TEMPLATES}preview/"
    answer = boss.post(url, {"text": "<b>я</b> {{code}} {{x}}"}).content.decode()
    assert "&lt;b&gt;я&lt;/b&gt; 123456 x" in answer
    assert "UCS-2" in answer
    assert "must hold" in boss.post(url, {"text": "x"}).content.decode()
    assert boss.post(url).content.decode().strip() == ""
    assert clerk().post(url, {"text": "x"}).status_code == 403
    assert clerk("view_template").post(url, {"text": "x"}).status_code == 200


def test_the_text_asks_its_own_sites_preview(boss):
    page = boss.get(f"{TEMPLATES}add/").content.decode()
    assert f'data-preview-url="{TEMPLATES}preview/"' in page
    assert "django_verify/admin/preview.js" in page


def test_a_viewer_sees_the_texts(clerk):
    template = make_template()
    page = clerk("view_template", "view_templatetranslation").get(
        f"{TEMPLATES}{template.sid}/change/"
    )
    assert "Hi {{name}}" in page.content.decode()


def test_a_service_chooses_its_default(boss, two_senders):
    service = make_service()
    ours, voice = make_template(service.account), make_template(channels=["voice"])
    sid = ours.sid
    others = make_template(make_account())
    page = boss.get(page_of(service)).content.decode()
    assert ours.sid in page
    assert voice.sid not in page
    assert others.sid not in page
    save(boss, service, default_template_sid=ours.sid)
    service.refresh_from_db()
    assert service.default_template_sid == ours.sid
    ours.delete()
    assert save(boss, service).redirect_chain
    service.refresh_from_db()
    assert service.default_template_sid == sid


def test_a_messaging_service_has_its_senders_in_order(boss, two_senders):
    account = make_account()
    data = form_of(boss.get(f"{MESSAGING}add/"))
    assert data["sid"].startswith("MG")
    data |= {"friendly_name": "EU", "account": account.sid, "sid": "MG" + "a" * 32}
    data |= {"senders-0": "spare", "senders-1": "", "senders-2": "memory"}
    assert boss.post(f"{MESSAGING}add/", data).status_code == 302
    row = MessagingService.objects.get(sid="MG" + "a" * 32)
    assert row.senders == ["spare", "memory"]
    assert "spare, memory" in boss.get(MESSAGING).content.decode()
    url = f"{MESSAGING}{row.sid}/change/"
    assert "mail" not in form_of(boss.get(url)).values()
    for changes, part in (
        ({"senders-0": "memory"}, "twice"),
        ({"senders-0": "nobody"}, "unknown"),
        ({"senders-0": "", "senders-1": ""}, "required"),
    ):
        answer = boss.post(url, form_of(boss.get(url)) | changes)
        assert part in str(answer.context["adminform"].form.errors)
    MessagingService.objects.update(senders=["gone"])
    assert "gone (not configured)" in boss.get(url).content.decode()
    assert boss.post(url, form_of(boss.get(url))).status_code == 302


def test_a_service_routes_a_country(boss, two_senders):
    service = make_service()
    row = MessagingService.objects.create(
        account=service.account, friendly_name="Canada", senders=["spare"]
    )
    prefix = "messaging_configurations"
    save(
        boss, service,
        **{f"{prefix}-TOTAL_FORMS": "1", f"{prefix}-0-country": "ca",
           f"{prefix}-0-messaging_service_sid": row.sid, f"{prefix}-0-service": service.sid,
           f"{prefix}-0-key": ""},
    )  # fmt: skip
    assert MessagingConfiguration.objects.get().country == "CA"
    service = VerifyService.objects.get(sid=service.sid)
    assert delivery.route(service, "sms", "CA") == ["spare"]
    assert delivery.route(service, "sms", "US") == ["memory", "spare"]
    row.delete()
    assert save(boss, service).redirect_chain
    assert "the service&#x27;s own senders" in boss.get(page_of(service)).content.decode()
