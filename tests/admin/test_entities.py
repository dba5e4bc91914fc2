"""Entities, factors and challenges: what is shown to whom, what is found, deleted and released."""

import pyotp
import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from django_verify.admin.entities import FactorAdmin
from django_verify.exceptions import NotFound
from django_verify.factors import challenges, entities
from django_verify.models import Challenge, Entity, Factor, Webhook, WebhookDelivery
from tests.admin.conftest import received
from tests.device import FCM_TOKEN, Phone

pytestmark = [pytest.mark.django_db, pytest.mark.portable]

ROOT = "/admin/django_verify"
MODELS = ("entity", "factor", "challenge")
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def page_of(row):
    return f"{ROOT}/{row._meta.model_name}/{row.pk}/change/"


def found(client, model, query=""):
    response = client.get(f"{ROOT}/{model}/?{query}")
    assert response.status_code == 200
    return {row.pk for row in response.context["cl"].result_list}


def enrol(service, identity="User-0001", **config):
    params = {"binding_secret": SEED, **config}
    return entities.enrol(service, identity, "totp", "Phone", params=params, metadata={"os": "Os9"})


def verified(service, identity="User-0001"):
    factor = enrol(service, identity)
    Factor.objects.filter(sid=factor.sid).update(status="verified")
    return entities.fetch_factor(factor.entity, factor.sid)


@pytest.fixture
def factor(service):
    return verified(service)


@pytest.fixture
def challenge(factor):
    details = {"message": "Pay Horrors?", "fields": []}
    return challenges.create(factor, details=details, hidden_details={"ip": "192.0.2.77"})


def test_nothing_is_added_or_changed(boss, challenge):
    for row in (challenge.entity, challenge.factor, challenge):
        assert boss.get(f"{ROOT}/{row._meta.model_name}/add/").status_code == 403
        assert boss.get(page_of(row)).status_code == 200
        assert boss.post(page_of(row), {"friendly_name": "x"}).status_code == 403
    assert boss.post(f"{ROOT}/challenge/{challenge.pk}/delete/", {"post": "yes"}).status_code == 403


def test_what_a_factor_page_reports(boss, factor):
    Factor.objects.update(failures=2, guesses=7, guesses_since=timezone.now())
    page = boss.get(page_of(factor)).content.decode()
    for text in ("User-0001", "authenticator app", ">verified<", "Phone", "2/5", "7/20"):
        assert text in page
    assert "alg: sha1, code_length: 6, time_step: 30, skew: 1" in page


def test_the_right_code_is_among_the_tries(boss, factor):
    for page in (page_of(factor), page_of(factor.entity)):
        assert "tries to verify it" in boss.get(page).content.decode().lower()


def test_guesses_of_another_day_are_not_reported(boss, factor, clock):
    Factor.objects.update(guesses=7, guesses_since=timezone.now())
    clock.shift(86_400)
    assert "0/20" in boss.get(page_of(factor)).content.decode()


def test_tokens_and_keys_are_not_reported(boss, factor):
    config = {"notification_platform": "apn", "notification_token": "Tok3n", "app_id": "x"}
    Factor.objects.update(config=config, binding={"public_key": "MFkwEw"}, binding_digest="D1gest")
    for page in (f"{ROOT}/factor/", page_of(factor), page_of(factor.entity)):
        text = boss.get(page).content.decode()
        for secret in ("Tok3n", "MFkwEw", "D1gest", factor.sealed_secret, factor.key_id, SEED):
            assert secret not in text
    assert "notification_platform: apn" in boss.get(page_of(factor)).content.decode()


def test_an_entity_lists_its_factors(boss, factor):
    other = enrol(factor.service, "user-0002", binding_secret="")
    page = boss.get(page_of(factor.entity)).content.decode()
    assert factor.sid in page
    assert other.sid not in page


def test_texts_of_callers_need_the_permission(clerk, challenge):
    views = [f"view_{model}" for model in MODELS]
    texts = ("Horrors", "192.0.2.77", "Os9")
    for client, seen in ((clerk(*views), False), (clerk(*views, "see_full_recipients"), True)):
        pages = client.get(page_of(challenge)).content.decode()
        pages += client.get(page_of(challenge.factor)).content.decode()
        assert [text in pages for text in texts] == [seen] * 3


def test_a_challenge_reports_its_status_of_now(boss, challenge, clock):
    assert ">pending<" in boss.get(page_of(challenge)).content.decode()
    Challenge.objects.update(expiration_date=timezone.now())
    assert ">expired<" in boss.get(page_of(challenge)).content.decode()
    assert found(boss, "challenge", "status=expired") == {challenge.pk}
    assert not found(boss, "challenge", "status=pending")
    assert found(boss, "challenge", "status=nonsense") == {challenge.pk}


def test_a_push_challenge_lists_its_notifications(boss, clerk, service, challenge):
    phone = Phone(None, service.sid, "User-0001")
    params = {
        "binding_alg": "ES256",
        "binding_public_key": phone.public_key,
        "config_app_id": "com.example.app",
        "config_sdk_version": "1",
        "config_notification_platform": "fcm",
        "config_notification_token": FCM_TOKEN,
    }
    factor = entities.enrol(service, "User-0001", "push", "Phone", params=params)
    Factor.objects.filter(sid=factor.sid).update(status="verified")
    factor = entities.fetch_factor(factor.entity, factor.sid)
    asked = challenges.create(factor, details={"message": "Log in?", "fields": []})
    row = asked.notifications.get()
    row.error = "no push sender is configured for the platform"
    row.save()
    text = boss.get(page_of(asked)).content.decode()
    assert row.sid in text
    assert row.error in text
    assert FCM_TOKEN not in text
    assert row.sid not in clerk("view_challenge").get(page_of(asked)).content.decode()
    seen = clerk("view_challenge", "view_notification").get(page_of(asked)).content.decode()
    assert row.sid in seen
    assert "Notifications" not in boss.get(page_of(challenge)).content.decode()


def test_a_challenge_that_names_nobody(boss, challenge):
    Challenge.objects.update(entity=None, factor=None, factor_type="passkeys")
    assert boss.get(page_of(challenge)).status_code == 200
    assert found(boss, "challenge") == {challenge.pk}


@pytest.mark.parametrize(
    ("term", "models"),
    [
        ("User-0001", MODELS),
        (" uSER-0001 ", MODELS),
        ("entity", MODELS),
        ("factor", MODELS),
        ("challenge", ["challenge"]),
        ("user-000", []),
    ],
)
def test_search(boss, challenge, term, models):
    challenges.create(verified(challenge.factor.service, "User-00011"))
    rows = {"entity": challenge.entity, "factor": challenge.factor, "challenge": challenge}
    query = rows[term].pk.upper() if term in rows else term
    for model in MODELS:
        wanted = {rows[model].pk} if model in models else set()
        assert found(boss, model, f"q={query}") == wanted


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("factor", "sealed_secret__startswith=a"), ("factor", "binding_digest=a"),
        ("factor", "config__notification_token__startswith=a"), ("factor", "key_id=a"),
        ("challenge", "details__message__startswith=a"), ("challenge", "hidden_details=a"),
        ("entity", "identity_key__startswith=u"), ("entity", "factors__sealed_secret__gt=a"),
    ],
)  # fmt: skip
def test_no_other_question_is_answered(boss, challenge, model, query):
    assert boss.get(f"{ROOT}/{model}/?{query}").status_code == 400


def test_filters(boss, challenge):
    new = enrol(challenge.factor.service, "user-0002")
    assert found(boss, "factor", "status=unverified") == {new.pk}
    assert found(boss, "factor", "factor_type=push") == set()
    assert len(found(boss, "factor", f"service={new.service_id}&factor_type=totp")) == 2


def test_the_lists_have_no_query_per_row(boss, service, django_assert_max_num_queries):
    for number in range(12):
        challenges.create(verified(service, f"user-{number:04}"))
    for model in MODELS:
        with django_assert_max_num_queries(9):
            assert len(found(boss, model)) == 12


# Deletion


def hear(service):
    Webhook.objects.create(
        service=service,
        friendly_name="Hook",
        event_types=["factor.deleted"],
        webhook_url="https://hooks.example.com/",
    )


def heard():
    rows = WebhookDelivery.objects.filter(event_type="factor.deleted")
    return {dict(row.payload)["factor_sid"] for row in rows}


@pytest.mark.parametrize("model", ["entity", "factor"])
@pytest.mark.parametrize("bulk", [False, True])
def test_a_deletion_is_reported(boss, challenge, model, bulk):
    factor, service = challenge.factor, challenge.factor.service
    hear(service)
    others = [verified(service, "user-0002")] if bulk else []
    rows = [getattr(row, model) if model == "entity" else row for row in (factor, *others)]
    if bulk:
        data = {
            "action": "delete_selected", "post": "yes", "_selected_action": [r.pk for r in rows]
        }  # fmt: skip
        response = boss.post(f"{ROOT}/{model}/", data)
    else:
        response = boss.post(f"{ROOT}/{model}/{rows[0].pk}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert heard() == {factor.sid, *(other.sid for other in others)}
    assert not Factor.objects.exists()
    assert not Challenge.objects.exists()
    assert Entity.objects.exists() == (model == "factor")
    assert {entry.object_id for entry in LogEntry.objects.all()} == {row.pk for row in rows}


def test_a_deletion_asks_first(boss, challenge):
    for row in (challenge.factor, challenge.entity):
        page = boss.get(page_of(row).replace("/change/", "/delete/"))
        assert page.status_code == 200
        assert "Yes, I" in page.content.decode()
    assert Factor.objects.exists()


def test_a_deletion_that_another_else_made_first(boss, factor, monkeypatch):
    def gone(row):
        raise NotFound

    monkeypatch.setattr(entities, "delete_factor", gone)
    assert boss.post(f"{ROOT}/factor/{factor.pk}/delete/", {"post": "yes"}).status_code == 302


def test_a_deletion_needs_its_permission(clerk, factor):
    client = clerk("view_factor", "view_entity", "release_factor")
    data = {"action": "delete_selected", "post": "yes", "_selected_action": [factor.pk]}
    assert client.post(f"{ROOT}/factor/", data).status_code == 403
    assert client.post(f"{ROOT}/factor/{factor.pk}/delete/", {"post": "yes"}).status_code == 403
    # An entity takes its factors along, so it wants both permissions.
    client = clerk("view_entity", "delete_entity")
    page = f"{ROOT}/entity/{factor.entity_id}/delete/"
    assert client.post(page, {"post": "yes"}).status_code == 403
    assert Factor.objects.exists()


# Release


def test_a_factor_is_released_after_a_question(clerk, boss, factor, monkeypatch):
    Factor.objects.update(failures=5, guesses=20, guesses_since=timezone.now())
    url = f"{ROOT}/factor/"
    data = {"action": "release_selected", "_selected_action": [factor.pk]}
    assert clerk("view_factor", "delete_factor").post(url, data).status_code == 403
    client = clerk("view_factor", "release_factor")
    question = client.post(url, data).content.decode()
    assert "Release these factors?" in question
    assert "User-0001" in question
    factor.refresh_from_db()
    assert (factor.failures, factor.guesses) == (5, 20)
    data["confirmed"] = "yes"
    assert received(client.post(url, data, follow=True)) == ["1 factor was released."]
    factor.refresh_from_db()
    assert (factor.failures, factor.guesses, factor.guesses_since) == (0, 0, None)
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_change_message()) == (factor.pk, "Released the guesses.")
    code = pyotp.TOTP(SEED).now()
    assert challenges.create(factor, auth_payload=code).status == "approved"
    monkeypatch.setattr("django_verify.admin.entities.RELEASE_AT_ONCE", 0)
    assert received(client.post(url, data, follow=True)) == [
        "At most 0 factors can be chosen at once."
    ]


def test_what_is_gone_is_not_released(factor):
    Factor.objects.all().delete()
    with pytest.raises(NotFound):
        entities.release(factor)


def test_no_page_is_built_from_a_hidden_column(rf, boss):
    from django.contrib import admin
    from django.contrib.auth.models import User

    request = rf.get("/")
    request.user = User.objects.get(username="boss")
    hidden = {"binding", "binding_digest", "sealed_secret", "key_id", "config", "last_step"}
    hidden |= {"options", "serial", "identity_key"}
    for model in (Entity, Factor, Challenge):
        page = admin.site.get_model_admin(model)
        assert not hidden & {*page.get_fields(request), *page.get_list_display(request)}
    assert "sealed_secret" not in FactorAdmin.search_fields
