"""Our own API as the source, and the official SDK afterwards, unchanged but for the base URL."""

import pytest
from twilio.rest import Client

from django_verify import moving
from django_verify.models import Account, RateLimit, Template, TemplateTranslation
from django_verify.moving import Credentials, Recipient, Source
from tests.conftest import PHONE, code_in, make_account

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

NOT_CARRIED = {"date_updated", "url", "links"}


def program(client, service_sid, outbox):
    """What a backend does with its service, with names and SIDs that it has kept for years."""
    scope = client.verify.v2.services(service_sid)
    started = scope.verifications.create(to=PHONE, channel="sms", rate_limits={"ip": "192.0.2.1"})
    answer = scope.verification_checks.create(to=PHONE, code=code_in(outbox[-1]))
    return started.service_sid, started.account_sid, answer.status, answer.valid


def shown(client, service_sid):
    """All settings of a service and what belongs to it, as the API answers them."""
    scope = client.verify.v2.services(service_sid)
    limits = scope.rate_limits.list()
    lists = [
        [scope.fetch()],
        limits,
        *(scope.rate_limits(limit.sid).buckets.list() for limit in limits),
        scope.messaging_configurations.list(),
        scope.webhooks.list(),
    ]
    return [
        {k: v for k, v in vars(row).items() if k[0] != "_" and k not in NOT_CARRIED}
        for rows in lists
        for row in rows
    ]


def fill(client, template):
    """Make a service over the API that has something of everything."""
    made = client.verify.v2.services.create(
        friendly_name="Bakery",
        code_length=8,
        totp_skew=2,
        push_include_date=True,
        passkeys_relying_party_id="example.com",
        passkeys_relying_party_origins="https://example.com,https://www.example.com",
        whatsapp_from="whatsapp:+14155550100",
        default_template_sid=template.sid,
    )
    scope = client.verify.v2.services(made.sid)
    limit = scope.rate_limits.create(unique_name="ip", description="by IP")
    scope.rate_limits(limit.sid).buckets.create(max=5, interval=60)
    scope.messaging_configurations.create(country="CA", messaging_service_sid="MG" + "b" * 32)
    scope.webhooks.create(
        friendly_name="Hook", event_types=["*"], webhook_url="https://hooks.example.com/"
    )
    scope.entities.create(identity="user-0001")
    return made.sid


def test_export_from_one_site_and_import_into_another(live_server, outbox, run, environment):
    account = make_account()
    credentials = Credentials(account.sid, account.token)
    template = Template.objects.create(account=account, friendly_name="Own")
    TemplateTranslation.objects.create(
        template=template, locale="en", text="Own: {{code}}", is_default=True
    )
    client = Client(account.sid, account.token)
    client.verify.base_url = live_server.url
    sid = fill(client, template)
    before, ran = shown(client, sid), program(client, sid, outbox)

    source = Source(live_server.url, credentials)
    templates = moving.read_templates(source)
    readings = [
        moving.read_service(source, answer, templates)
        for answer in source.every("services", "Services")
    ]
    Account.objects.all().delete()
    assert not RateLimit.objects.exists()

    recipient = Recipient(account.sid, account.token)
    (outcome,) = [moving.carry(reading, recipient) for reading in readings]
    assert not outcome.is_refused
    assert [sentence.partition(":")[0] for sentence in outcome.left] == [
        "the factors of its entities (1)", "the senders of MG" + "b" * 32,
        "the signing secret of its webhooks",
    ]  # fmt: skip
    assert shown(client, sid) == before
    assert program(client, sid, outbox) == ran == (sid, account.sid, "approved", True)
    assert outbox[-1].body.startswith("Own: ")
    # Read from the site itself, nothing has changed.
    environment.setenv("TWILIO_ACCOUNT_SID", account.sid)
    environment.setenv("TWILIO_AUTH_TOKEN", account.token)
    assert f"{sid} Bakery: nothing has changed" in run(base_url=live_server.url)
