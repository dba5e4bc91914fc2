"""Routing by country, and the copy of it on the service's row."""

import pytest
from django.core.exceptions import ValidationError

from django_verify import delivery, verifications
from django_verify.models import MessagingConfiguration, MessagingService, VerifyService
from django_verify.models.messaging import canonical_country, validate_country
from tests.admin.conftest import MEMORY
from tests.conftest import PHONE, make_account, make_service

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = "MG" + "0" * 32


@pytest.fixture(autouse=True)
def senders(settings):
    names = ("site", "own", "canada", "world", "chat")
    settings.DJANGO_VERIFY = {
        "SENDERS": dict.fromkeys(names, MEMORY),
        "ROUTES": {"sms": ["site"], "whatsapp": ["site"]},
    }


def messaging(account, *senders):
    return MessagingService.objects.create(
        account=account, friendly_name="M", senders=list(senders)
    )


def configure(service, country, target):
    sid = target if isinstance(target, str) else target.sid
    return MessagingConfiguration.objects.create(
        service=service, country=country, messaging_service_sid=sid
    )


def route(service, country="", channel="sms"):
    return delivery.route(VerifyService.objects.get(sid=service.sid), channel, country)


def test_country_then_all_then_own_then_the_site(account):
    service = make_service(account, senders={"sms": ["own"]})
    assert route(service, "CA") == ["own"]
    everywhere = configure(service, "all", messaging(account, "world", "site"))
    canada = configure(service, "CA", messaging(account, "canada"))
    assert route(service, "CA") == ["canada"]
    assert route(service, "US") == route(service) == ["world", "site"]
    assert route(service, "CA", "call") == []
    canada.delete()
    assert route(service, "CA") == ["world", "site"]
    MessagingConfiguration.objects.filter(key=everywhere.key).delete()
    assert route(service, "CA") == ["own"]
    service.senders = {}
    service.save()
    assert route(service, "CA") == ["site"]


def test_a_sid_without_a_row_is_the_services_own_route(account):
    service = make_service(account, senders={"sms": ["own"]})
    configure(service, "all", messaging(account, "world"))
    configure(service, "CA", NOBODY)
    configure(service, "MX", messaging(make_account(), "world"))
    assert route(service, "CA") == route(service, "MX") == ["own"]
    MessagingService.objects.create(sid=NOBODY, account=account, senders=["canada"])
    assert route(service, "CA") == ["canada"]


def test_a_change_of_the_senders_is_followed(account):
    service, other = make_service(account), make_service(account)
    target = messaging(account, "canada")
    configure(service, "CA", target)
    configure(other, "all", target)
    target.senders = ["world"]
    target.save()
    assert route(service, "CA") == route(other, "FR") == ["world"]
    target.delete()
    assert route(service, "CA") == route(other, "FR") == ["site"]


def test_senders_that_have_left_the_settings_leave_the_way_to_the_next(account, caplog):
    service = make_service(account, senders={"sms": ["own"]})
    configure(service, "CA", messaging(account, "gone", "left"))
    assert route(service, "CA") == ["own"]
    assert f"{service.sid}: no sender of its messaging service" in caplog.text


def test_the_sites_routes_by_country(account, settings):
    routes = {"sms": {"CA": ["canada"], "*": ["site"]}}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "ROUTES": routes}
    service = make_service(account)
    assert (route(service, "CA"), route(service, "FR")) == (["canada"], ["site"])


def test_whatsapp(account):
    target = messaging(account, "chat")
    service = make_service(account, whatsapp_msg_service_sid=target.sid)
    assert route(service, "CA", "whatsapp") == ["chat"]
    assert route(service, "CA") == ["site"]
    service.whatsapp_msg_service_sid = ""
    service.save(update_fields=["whatsapp_msg_service_sid"])
    assert route(service, "CA", "whatsapp") == ["site"]


def test_a_stale_copy_is_not_written_back(account):
    service = make_service(account)
    configure(service, "CA", messaging(account, "canada"))
    service.friendly_name = "Other"
    service.save()
    assert service.messaging_routes == {}
    assert route(service, "CA") == ["canada"]


def test_the_message_goes_through_the_countrys_sender(account, outbox):
    service = make_service(account)
    configure(service, "US", messaging(account, "world"))
    service.refresh_from_db()
    row = verifications.start(service, PHONE)
    assert row.attempts.get().sender == "world"


def test_a_service_goes_with_its_configurations(account):
    service = make_service(account)
    configure(service, "CA", messaging(account, "canada"))
    service.delete()
    assert not MessagingConfiguration.objects.exists()
    account.delete()
    assert not MessagingService.objects.exists()


@pytest.mark.parametrize(
    ("given", "kept"), [("ca", "CA"), ("CA", "CA"), ("ALL", "all"), ("all", "all")]
)
def test_a_country(given, kept):
    assert canonical_country(given) == kept
    validate_country(kept)


@pytest.mark.parametrize("country", ["", "XX", "CAN", "ca", "1", "ß", "C\n", "001"], ids=ascii)
def test_a_country_that_is_none(country):
    with pytest.raises(ValidationError):
        validate_country(country)
