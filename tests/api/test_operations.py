"""Our router verified against the contract's table: parameters, keys, statuses, other accounts."""

import json
import re
import time

import pyotp
import pytest
from django.apps import apps
from twilio.rest import Client

from django_verify.api import wire
from django_verify.api.mixins import Create, Delete, Fetch, List, Update
from django_verify.api.resource import Resource
from django_verify.api.urls import RESOURCES
from django_verify.models import Template, VerificationAttempt
from tests.authenticator import Authenticator, b64
from tests.conftest import OTHER_PHONE, PHONE, Api, code_in, make_account
from tests.device import Phone
from tests.operations import OPERATIONS

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
SERVICE = "Services/{ServiceSid}"
IDENTITY = f"{SERVICE}/Entities/{{Identity}}"
NOT_YET = frozenset()
BUILT = [operation for operation in OPERATIONS if operation.path not in NOT_YET]
# A good body of each creation, parents first; "{name}" is the SID made by the row of that name.
BODIES = {
    "Services": {"FriendlyName": "Acme"},
    "SafeList/Numbers": {"PhoneNumber": PHONE},
    f"{SERVICE}/Verifications": {"To": PHONE, "Channel": "sms"},
    f"{SERVICE}/VerificationCheck": {"To": PHONE, "Code": "000000"},
    f"{SERVICE}/Webhooks": {
        "FriendlyName": "Hook",
        "EventTypes": ["*"],
        "WebhookUrl": "https://example.com/",
    },
    f"{SERVICE}/RateLimits": {"UniqueName": "end_user_ip_address"},
    f"{SERVICE}/RateLimits/{{RateLimitSid}}/Buckets": {"Max": "4", "Interval": "60"},
    f"{SERVICE}/MessagingConfigurations": {
        "Country": "US",
        "MessagingServiceSid": "MG" + "0" * 32,
    },
    f"{SERVICE}/Entities": {"Identity": "user-0001"},
    f"{IDENTITY}/Factors": {
        "FriendlyName": "Phone",
        "FactorType": "totp",
        "Binding.Secret": SEED,
    },
    f"{IDENTITY}/Factors/{{FactorSid}}": {"AuthPayload": "{code}"},
    f"{IDENTITY}/Challenges": {"FactorSid": "{FactorSid}"},
    f"{IDENTITY}/Challenges/{{ChallengeSid}}/Notifications": {"Ttl": "0"},
    f"{SERVICE}/AccessTokens": {"Identity": "user-0001", "FactorType": "push"},
}
PASSKEYS = f"{SERVICE}/Passkeys"
PARTY = {"id": "example.com", "name": "Example", "origins": ["https://example.com"]}
CONFIG = {
    "relying_party": PARTY,
    "authenticator_attachment": "platform",
    "discoverable_credentials": "required",
    "user_verification": "required",
}
NEW_PASSKEY = {"friendly_name": "Phone", "identity": "user-0001", "config": CONFIG}
# Bodies in JSON, each of which would be good but for the ceremony in it.
DOCUMENTS = {
    f"{PASSKEYS}/Factors": NEW_PASSKEY,
    f"{PASSKEYS}/VerifyFactor": Authenticator().create(
        {"publicKey": {"user": {"id": ""}, "challenge": b64(b"YF" + b"0" * 32)}}
    ),
    f"{PASSKEYS}/Challenges": {"identity": "user-0001"},
    f"{PASSKEYS}/ApproveChallenge": Authenticator().get(
        {"publicKey": {"challenge": b64(b"YC" + b"0" * 32)}}
    ),
}


def routes():
    """Method and the contract's spelling of the path, to viewset and action."""
    found = {}
    for resource in RESOURCES:
        for pattern in resource.urls():
            route = str(pattern.pattern)
            path = re.sub(r"<str:(\w+)>", lambda m: f"{{{wire.wire_name(m[1])}}}", route)
            for method, action in pattern.callback.actions.items():
                found[method.upper(), path] = resource, action
    return found


ROUTES = routes()
each = pytest.mark.parametrize(
    "operation", BUILT, ids=[f"{operation.method} {operation.path}" for operation in BUILT]
)


def test_the_contract_has_57_operations():
    assert len({(o.method, o.path) for o in OPERATIONS}) == len(OPERATIONS) == 57


def test_what_is_routed_is_what_the_contract_has():
    assert set(ROUTES) == {(o.method, o.path) for o in BUILT}
    assert {o.path for o in OPERATIONS} >= NOT_YET


@each
def test_an_operation_is_declared_as_in_the_contract(operation):
    resource, action = ROUTES[operation.method, operation.path]
    asked = resource.asked(action)
    assert (set(wire.reader(asked).fields) if asked else set()) == operation.parameters
    assert resource.status(action) == operation.status
    if operation.key:
        assert resource.key == operation.key
    if operation.answer:
        assert set(resource.answered(action)().fields) == operation.answer


def test_a_resource_is_a_declaration():
    verbs = {Create, Fetch, List, Update, Delete}

    def defined(resource, name):
        return next(base for base in resource.__mro__ if name in vars(base))

    own = {action for action in ROUTES.values() if defined(*action) not in verbs}
    assert {(resource.__name__, action) for resource, action in own} == {
        ("AttemptsSummaryViewSet", "list"),
        ("ChallengeViewSet", "retrieve"),
        ("VerificationViewSet", "update"),
    }
    assert {defined(resource, "represent") for resource, _ in ROUTES.values()} == {Resource}


def world(api):
    """Make one of everything; return the value of each placeholder of each path."""
    names = {"FormType": "form-push", "PhoneNumber": PHONE, "Country": "US"}
    names |= {"Identity": "user-0001", "code": pyotp.TOTP(SEED).now()}
    sids = {}
    for path, form in BODIES.items():
        if path in NOT_YET:
            continue
        answer = api.post(path.format(**names), written(form, names))
        assert answer.status in {200, 201}, (path, answer.data)
        sids[path] = answer.data.get("sid")
        if path == "Services":
            names["ServiceSid"] = answer.data["sid"]
        elif path.endswith("/RateLimits"):
            names["RateLimitSid"] = answer.data["sid"]
        elif path.endswith("/Factors"):
            names["FactorSid"] = answer.data["sid"]
        elif path.endswith("/Challenges"):
            names["ChallengeSid"] = push_challenge(api, names)
    sids["Attempts"] = VerificationAttempt.objects.get().sid
    return names, sids


def push_challenge(api, names):
    """The SID of a challenge that notifications can be asked for."""
    phone = Phone(None, names["ServiceSid"], names["Identity"])
    made = api.post(f"{phone.root}/Factors", phone.enrolment()).data["sid"]
    api.post(f"{phone.root}/Factors/{made}", {"AuthPayload": phone.der_signature(made.encode())})
    form = {"FactorSid": made, "Details.Message": "Log in?"}
    return api.post(f"{phone.root}/Challenges", form).data["sid"]


def written(form, names):
    """A form with its placeholders filled in."""
    return {k: v.format(**names) if isinstance(v, str) else v for k, v in form.items()}


def filled(operation, names, sids):
    collection = operation.path.rpartition("/")[0]
    return operation.path.format(**names, Sid=sids.get(collection))


def rows():
    """Every row of every table of ours."""
    return {
        model._meta.label: list(model.objects.order_by("pk").values())
        for model in apps.get_app_config("django_verify").get_models()
    }


def is_owned(operation):
    return "{" in operation.path and "{FormType}" not in operation.path


@pytest.mark.django_db(transaction=True)
def test_another_account_finds_nothing_and_changes_nothing(api, outbox):
    names, sids = world(api)
    stranger = make_account("Stranger")
    other = Api(stranger.sid, stranger.token)
    before, sent = rows(), len(outbox)
    for operation in filter(is_owned, BUILT):
        path = filled(operation, names, sids)
        assert "None" not in path, operation
        if operation.path in DOCUMENTS:
            document = json.dumps(DOCUMENTS[operation.path])
            answer = other.post(path, body=document, content_type="application/json")
        elif operation.method == "POST":
            form = BODIES.get(operation.path, dict.fromkeys(operation.parameters, "approved"))
            answer = other.post(path, written(form, names))
        else:
            answer = other.request(operation.method, path)
        assert (answer.status, answer.data["code"]) == (404, 20404), operation
        assert set(answer.data) == {"code", "message", "more_info", "status"}
    assert rows() == before
    assert len(outbox) == sent


@pytest.mark.django_db(transaction=True)
def test_lists_show_nothing_of_another_account(api):
    Template.objects.all().delete()  # the ready-made ones are everybody's
    world(api)
    stranger = make_account("Stranger")
    other = Api(stranger.sid, stranger.token)
    for operation in BUILT:
        if operation.key and not is_owned(operation):
            mine = api.get(operation.path).data[operation.key]
            theirs = other.get(operation.path).data[operation.key]
            assert not {row["sid"] for row in mine} & {row["sid"] for row in theirs}, operation


def core(client, outbox):
    """Use every operation of the core once, through the SDK."""
    verify = client.verify.v2
    service = verify.services.create(friendly_name="Acme")
    scope = verify.services(service.sid)
    scope.fetch()
    scope.update(friendly_name="Acme Two")
    verify.services.list(limit=5)
    started = scope.verifications.create(to=PHONE, channel="sms")
    scope.verifications(started.sid).fetch()
    scope.verification_checks.create(to=PHONE, code=code_in(outbox[0]))
    other = scope.verifications.create(to=OTHER_PHONE, channel="sms")
    scope.verifications(other.sid).update(status="canceled")
    attempts = verify.verification_attempts.list(
        channel_data_to=PHONE, country="US", channel="sms", status="converted", limit=5
    )
    assert [attempt.verification_sid for attempt in attempts] == [started.sid]
    assert verify.verification_attempts(attempts[0].sid).fetch().channel_data["to"] == PHONE
    summary = verify.verification_attempts_summary().fetch(verify_service_sid=service.sid)
    assert (summary.total_attempts, summary.conversion_rate_percentage) == (2, "50")
    assert verify.safelist.create(phone_number=PHONE).phone_number == PHONE
    verify.safelist(PHONE).fetch()
    verify.safelist(PHONE).delete()
    hook = scope.webhooks.create(
        friendly_name="Hook",
        event_types=["factor.created", "factor.deleted"],
        webhook_url="https://example.com/",
    )
    assert scope.webhooks(hook.sid).update(event_types=["*"]).event_types == ["*"]
    scope.webhooks(hook.sid).fetch()
    scope.webhooks.list(limit=5)
    scope.webhooks(hook.sid).delete()
    assert verify.forms("form-push").fetch().forms["create_factor"]["type"] == "object"
    return scope


def limits(scope):
    """The same of rate limits and their buckets."""
    limit = scope.rate_limits.create(unique_name="ip")
    limited = scope.rate_limits(limit.sid)
    limited.fetch()
    limited.update(description="By recipient")
    scope.rate_limits.list(limit=5)
    bucket = limited.buckets.create(max=4, interval=60)
    limited.buckets(bucket.sid).fetch()
    limited.buckets(bucket.sid).update(max=5)
    limited.buckets.list(limit=5)
    limited.buckets(bucket.sid).delete()
    limited.delete()


def routing(scope):
    """The same of messaging configurations."""
    configurations = scope.messaging_configurations
    configurations.create(country="US", messaging_service_sid="MG" + "0" * 32)
    configurations("US").fetch()
    configurations("US").update(messaging_service_sid="MG" + "1" * 32)
    configurations.list(limit=5)
    configurations("US").delete()


def factor_side(scope):
    """The same of entities, authenticator apps and their challenges."""
    identity = scope.entities.create(identity="User-0001").identity
    scope.entities.list(limit=5)
    entity = scope.entities("user-0001")
    assert entity.fetch().identity == identity
    made = entity.new_factors.create(
        friendly_name="Phone", factor_type="totp", metadata={"os": "Android"}
    )
    app, factor = pyotp.parse_uri(made.binding["uri"]), entity.factors(made.sid)
    now = int(time.time())
    assert factor.update(auth_payload=app.at(now - 30)).status == "verified"
    assert factor.fetch().metadata == {"os": "Android"}
    entity.factors.list(limit=5)
    challenge = entity.challenges.create(
        factor_sid=made.sid,
        details_message="Log in?",
        details_fields=[{"label": "From", "value": "Lyon"}],
        hidden_details={"ip": "192.0.2.1"},
    )
    assert challenge.details["fields"] == [{"label": "From", "value": "Lyon"}]
    answered = entity.challenges(challenge.sid).update(
        auth_payload=app.at(now), metadata={"os": "Android"}
    )
    assert (answered.status, answered.metadata) == ("approved", {"os": "Android"})
    entity.challenges(challenge.sid).fetch()
    listed = entity.challenges.list(factor_sid=made.sid, status="approved", order="desc", limit=5)
    assert [row.sid for row in listed] == [challenge.sid]
    factor.delete()
    entity.delete()


def push_side(scope):
    """The same of access tokens and notifications."""
    issued = scope.access_tokens.create(identity="user-0002", factor_type="push")
    assert scope.access_tokens(issued.sid).fetch().entity_identity == "user-0002"
    phone, entity = Phone(None, scope._solution["sid"], "user-0002"), scope.entities("user-0002")
    made = entity.new_factors.create(
        friendly_name="Phone",
        factor_type="push",
        binding_alg="ES256",
        binding_public_key=phone.public_key,
        config_app_id="com.example.app",
        config_notification_platform="fcm",
        config_notification_token=phone.token,
        config_sdk_version="1.0.0",
    )
    entity.factors(made.sid).update(auth_payload=phone.der_signature(made.sid.encode()))
    challenge = entity.challenges.create(factor_sid=made.sid, details_message="Log in?")
    assert entity.challenges(challenge.sid).notifications.create(ttl=30).ttl == 30


def passkey_side(scope):
    """The same of passkeys; the SDK has a list for each of the operations."""
    new, device = scope.new_factors, Authenticator()
    made = new.create(new.CreateNewPasskeysFactorRequest(NEW_PASSKEY))
    verify = scope.new_verify_factors
    credential = verify.VerifyPasskeysFactorRequest(device.create(made.options))
    assert verify.update(credential).status == "verified"
    ask = scope.new_challenge
    asked = ask().create(ask.CreatePasskeysChallengeRequest({"identity": "user-0001"}))
    approve = scope.approve_challenge
    answer = approve.ApprovePasskeysChallengeRequest(device.get(asked.options))
    assert approve.update(answer).identity == "user-0001"


def named(method, path):
    """The operation of a request, and the literal names win over placeholders."""
    for operation in sorted(BUILT, key=lambda o: o.path.count("{")):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation.path))
        if operation.method == method and re.fullmatch(pattern, path):
            return operation
    raise AssertionError((method, path))


@pytest.mark.django_db(transaction=True)
def test_the_sdk_meets_the_contract_everywhere(live_server, outbox):
    account = make_account()
    client = Client(account.sid, account.token)
    client.verify.base_url = live_server.url
    seen, inner = {}, client.http_client.request

    def request(method, url, *args, **kwargs):
        response = inner(method, url, *args, **kwargs)
        path = url.partition("/v2/")[2].partition("?")[0]
        seen[named(method, path)] = response
        return response

    client.http_client.request = request
    scope = core(client, outbox)
    if f"{SERVICE}/RateLimits" not in NOT_YET:
        limits(scope)
    if f"{SERVICE}/MessagingConfigurations" not in NOT_YET:
        routing(scope)
    if "Templates" not in NOT_YET:
        client.verify.v2.templates.list(limit=5)
    factor_side(scope)
    push_side(scope)
    passkey_side(scope)
    scope.delete()
    assert set(seen) == set(BUILT)
    for operation, response in seen.items():
        assert response.status_code == operation.status, operation
        if operation.status == 204:
            assert not response.text
            continue
        answer = json.loads(response.text)
        if operation.key:
            assert set(answer) == {"meta", operation.key}
            assert answer["meta"]["key"] == operation.key
            for row in answer[operation.key]:
                assert set(row) == operation.answer
        else:
            assert set(answer) == operation.answer, operation
