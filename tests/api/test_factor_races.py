"""Deletions in the middle of everything else: a 4xx with its number, and nothing half done."""

import json
from itertools import cycle, islice

import pyotp
import pytest
from django.db import connection

from django_verify.models import Challenge, Entity, Factor, Webhook, WebhookDelivery
from tests.authenticator import Authenticator
from tests.conftest import PHONE, ROUNDS, THREADS, Api, make_service
from tests.device import Phone, through

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor == "sqlite", reason="with one writer at a time nothing collides"
    ),
]

# What a person may hear whose entity goes, or who tries one code too often.
FINE = {
    (404, 20404),
    (404, 60390),
    (404, 60391),
    (404, 60392),
    (403, 60322),
    (403, 60318),
    (429, 60308),
}
FINE |= {(429, 60309), (429, 60312), (429, 60310), (400, 60306), (400, 60383), (409, 20409)}
CONFIG = {
    "relying_party": {"id": "example.com", "name": "X", "origins": ["https://example.com"]},
    "authenticator_attachment": "platform",
    "discoverable_credentials": "preferred",
    "user_verification": "required",
}


@pytest.fixture
def apis(account):
    return [Api(account.sid, account.token) for _ in range(THREADS)]


def totp(api, root):
    """Requests of an authenticator app's owner."""
    made = [
        api.post(f"{root}/Factors", {"FriendlyName": "App", "FactorType": "totp"}).data
        for _ in range(4)
    ]
    codes = [pyotp.TOTP(factor["binding"]["secret"]).now() for factor in made]
    first, code = made[0]["sid"], codes[0]
    api.post(f"{root}/Factors/{first}", {"AuthPayload": code})
    Factor.objects.filter(sid=first).update(last_step=-1)
    asked = [api.post(f"{root}/Challenges", {"FactorSid": first}).data["sid"] for _ in range(4)]
    return [
        lambda a: a.post(f"{root}/Challenges", {"FactorSid": first}),
        lambda a: a.post(f"{root}/Factors", {"FriendlyName": "App", "FactorType": "totp"}),
        *(
            lambda a, f=f, c=c: a.post(f"{root}/Factors/{f['sid']}", {"AuthPayload": c})
            for f, c in zip(made[1:], codes[1:], strict=True)
        ),
        *(lambda a, c=c: a.post(f"{root}/Challenges/{c}", {"AuthPayload": code}) for c in asked),
    ]


def push(api, root):
    """Requests of a phone."""
    service, identity = root.split("/")[1], root.split("/")[3]
    phone = Phone(through(api.client), service, identity)
    phone.factor = api.post(f"{root}/Factors", phone.enrolment()).data
    assert phone.verify().status == 200
    form = {"FactorSid": phone.factor["sid"], "Details.Message": "Log in?"}
    asked = [api.post(f"{root}/Challenges", form).data["sid"] for _ in range(5)]
    answers = [phone.signed(phone.payload(sid, "approved")) for sid in asked]
    return [
        lambda a: a.post(f"{root}/Challenges", form),
        *(lambda a, c=c: a.post(f"{root}/Challenges/{c}/Notifications") for c in asked),
        *(
            lambda a, c=c, proof=proof: a.post(f"{root}/Challenges/{c}", {"AuthPayload": proof})
            for c, proof in zip(asked, answers, strict=True)
        ),
    ]


def passkeys(api, root):
    """Requests of a browser."""
    where, identity = f"{root.rsplit('/', 2)[0]}/Passkeys", root.split("/")[3]

    def post(a, operation, body):
        return a.post(
            f"{where}/{operation}", body=json.dumps(body), content_type="application/json"
        )

    new = {"friendly_name": "Key", "identity": identity, "config": CONFIG}
    device, second = Authenticator(), Authenticator()
    made = post(api, "Factors", new).data
    assert post(api, "VerifyFactor", device.create(made["options"])).status == 200
    proof = second.create(post(api, "Factors", new).data["options"])
    asked = [post(api, "Challenges", {"identity": identity}).data["options"] for _ in range(6)]
    return [
        lambda a: post(a, "Challenges", {"identity": identity}),
        lambda a: post(a, "Factors", new),
        lambda a: post(a, "VerifyFactor", proof),
        *(lambda a, o=o: post(a, "ApproveChallenge", device.get(o)) for o in asked),
    ]


@pytest.mark.parametrize("kind", [totp, push, passkeys])
@pytest.mark.parametrize("deletes", [1, 5])
def test_an_entity_goes_while_its_factors_are_used(apis, service, aligned, kind, deletes):
    for number in range(ROUNDS):
        root = f"Services/{service.sid}/Entities/user-{number:04}"
        work = [*kind(apis[0], root), *[lambda a, r=root: a.delete(r)] * deletes]
        calls = [lambda a=a, w=w: w(a) for a, w in zip(apis, cycle(work), strict=False)]
        answers = [(a.status, (a.data or {}).get("code")) for a in aligned(calls)]
        assert {a for a in answers if a[0] >= 400} <= FINE
        assert (204, None) in answers
        assert not Challenge.objects.exclude(factor=None, entity__isnull=False).exclude(
            factor__in=Factor.objects.all()
        )


@pytest.mark.parametrize("kind", [totp, push])
def test_a_factor_goes_while_it_is_used(apis, service, aligned, kind):
    for number in range(ROUNDS):
        root = f"Services/{service.sid}/Entities/user-{number:04}"
        work = kind(apis[0], root)
        sids = list(Factor.objects.filter(entity__identity=root[-9:]).values_list("sid", flat=True))
        work += [lambda a, r=root, s=s: a.delete(f"{r}/Factors/{s}") for s in sids]
        calls = [lambda a=a, w=w: w(a) for a, w in zip(apis, cycle(work), strict=False)]
        answers = [(a.status, (a.data or {}).get("code")) for a in aligned(calls)]
        assert {a for a in answers if a[0] >= 400} <= FINE
        assert answers.count((204, None)) == len(sids)


def test_many_delete_one_entity(apis, service, aligned):
    Webhook.objects.create(
        service=service,
        friendly_name="All",
        event_types=["factor.deleted"],
        webhook_url="https://example.com/",
    )
    for number in range(ROUNDS):
        root = f"Services/{service.sid}/Entities/user-{number:04}"
        for _ in range(5):
            apis[0].post(f"{root}/Factors", {"FriendlyName": "App", "FactorType": "totp"})
        answers = aligned([lambda a=a, r=root: a.delete(r) for a in islice(apis, 20)])
        assert sorted(a.status for a in answers) == [204] + [404] * 19
        assert not Entity.objects.exists()
        assert WebhookDelivery.objects.count() == 5 * (number + 1)


def bucket(api, service):
    limit = api.post(f"{service}/RateLimits", {"UniqueName": "ip"}).data
    values = {"Max": 5, "Interval": 60}
    made = api.post(f"{service}/RateLimits/{limit['sid']}/Buckets", values).data
    return f"{service}/RateLimits/{limit['sid']}/Buckets/{made['sid']}"


def rate_limit(api, service):
    return f"{service}/RateLimits/{api.post(f'{service}/RateLimits', {'UniqueName': 'ip'}).data['sid']}"


def webhook(api, service):
    values = {
        "FriendlyName": "All",
        "EventTypes": "*",
        "WebhookUrl": "https://example.com/",
        "Status": "enabled",
    }
    return f"{service}/Webhooks/{api.post(f'{service}/Webhooks', values).data['sid']}"


def safe_number(api, service):
    api.post("SafeList/Numbers", {"PhoneNumber": PHONE})
    return f"SafeList/Numbers/{PHONE}"


def whole_service(api, service):
    return service


@pytest.mark.parametrize("make", [bucket, rate_limit, webhook, safe_number, whole_service])
def test_of_many_deletions_one_answers_204(apis, account, aligned, make):
    for _ in range(ROUNDS):
        path = make(apis[0], f"Services/{make_service(account).sid}")
        answers = aligned([lambda a=a: a.delete(path) for a in islice(apis, 8)])
        assert sorted(a.status for a in answers) == [204] + [404] * 7
