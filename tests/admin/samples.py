"""A row for every list of the admin, with texts as long as they come."""

import datetime as dt

from django.contrib.auth.models import User
from django.utils import timezone

from django_verify import verifications
from django_verify.factors import challenges, entities
from django_verify.models import (
    Bucket,
    Currency,
    DeviceKey,
    EventSink,
    Factor,
    GeoPermission,
    GuardDecision,
    GuardTrip,
    MessagingConfiguration,
    MessagingService,
    PrefixRule,
    Price,
    PushCredential,
    RateLimit,
    SafeListNumber,
    SenderState,
    SpendCap,
    Template,
    TemplateTranslation,
    VerificationAttempt,
    Webhook,
    WebhookDelivery,
)
from django_verify.users.models import VerifiedPhone
from tests.conftest import OTHER_PHONE, PHONE, make_key, make_pair, make_service

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
LONG = "the provider answered that the credentials are wrong and that the account is suspended"


def one_of_each(account):
    """Make a row of every kind that the admin lists, and return one verification."""
    now = timezone.now()
    service = make_service(account, friendly_name="Checkout and payments")
    verifications.start(service, "+4915112345678", "whatsapp")
    verifications.start(service, "someone.with.a.name@example.com", "email")
    row = verifications.start(service, PHONE)
    attempt = row.attempts.get()
    VerificationAttempt.objects.update(
        message_status="failed", error_code="401", error_message=LONG, sender="messagebird"
    )
    GuardDecision.objects.create(
        account=account, service=service, attempt_sid=attempt.sid, recipient_key=PHONE,
        country="US", channel="sms", cause="cold", outcome="recorded", level="standard",
        reason="14 of 14 numbers new, none confirmed in the last six hours",
    )  # fmt: skip
    GuardTrip.objects.create(
        account=account, level="standard", state="closed", kind="range", key="US +141555",
        reason="14 of 14 numbers new, none confirmed in the last six hours", started_at=now,
        ends_at=now + dt.timedelta(hours=12),
    )  # fmt: skip
    make_key(account)
    make_pair(service, OTHER_PHONE)
    GeoPermission.objects.create(account=account, service=service, country="VC", action="monitor")
    PrefixRule.objects.create(
        prefix="+4490987", action="block", channels="sms call", account=account, ends_at=now,
        note="Asked for by the people who look after fraud",
    )  # fmt: skip
    SafeListNumber.objects.create(account=account, phone_number=PHONE)
    limit = RateLimit.objects.create(service=service, unique_name="per_address", description="One")
    Bucket.objects.create(rate_limit=limit, max=5, interval=60)
    SpendCap.objects.create(account=account, service=service, period="day", amount="25")
    Price.objects.create(
        country="US", channel="sms", sender="twilio", amount="0.0079", currency="USD"
    )
    Currency.objects.create(code="EUR", rate="1.08")
    SenderState.objects.create(alias="messagebird", failures=3, failing_since=now, last_error=LONG)
    own = MessagingService.objects.create(
        account=account, friendly_name="North America", senders=["memory"]
    )
    MessagingConfiguration.objects.create(
        service=service, country="US", messaging_service_sid=own.sid
    )
    template = Template.objects.create(account=account, friendly_name="Short one", channels=["sms"])
    TemplateTranslation.objects.create(
        template=template, locale="en", text="Your code is {{code}}", is_default=True
    )
    push = PushCredential(account=account, friendly_name="Phones", type="fcm")
    push.seal_secret("{}")
    push.save()
    params = {"binding_secret": SEED}
    factor = entities.enrol(service, "User-0001", "totp", "Phone of Ann", params=params)
    Factor.objects.filter(sid=factor.sid).update(status="verified")
    challenges.create(entities.fetch_factor(factor.entity, factor.sid))
    DeviceKey.objects.create(key="a" * 64, public_key=b"0")
    hook = Webhook.objects.create(
        service=service, friendly_name="Of the shop", webhook_url="https://example.com/hooks",
        event_types=["factor.created", "factor.deleted", "challenge.approved"],
    )  # fmt: skip
    sink = EventSink.objects.create(
        account=account, service=service, friendly_name="Of the warehouse",
        url="https://example.com/sink",
    )  # fmt: skip
    WebhookDelivery.objects.create(
        webhook=hook, event_type="factor.created", payload={}, status="dead", response_status=503,
        error="the receiver closed the connection before it answered", tries=8,
    )  # fmt: skip
    WebhookDelivery.objects.create(
        sink=sink, event_type="com.twilio.accountsecurity.verify.verification.approved", payload={}
    )
    user = User.objects.create_user("ann.with.a.longer.name@example.com")
    VerifiedPhone.objects.create(user=user, number=PHONE, channel="sms", is_primary=True)
    return row
