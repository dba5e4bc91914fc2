"""What rules, countries and the safe list make of a start, on each face."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_verify import exceptions, fraud, verifications
from django_verify.contact import phones
from django_verify.exceptions import DestinationRefused, FraudBlocked, InvalidParameter
from django_verify.models import (
    GeoPermission,
    GuardDecision,
    PrefixRule,
    SafeListNumber,
    Verification,
    VerificationAttempt,
)
from django_verify.verifications import clients, offers
from tests.conftest import PHONE, Api, code_in, make_account, make_pair, make_service

pytestmark = pytest.mark.django_db(transaction=True)

GERMAN = "+4915112345678"
#: Of a range that no numbering plan has.
NEW_RANGE = "+4999912345678"
MAIL = "jane@example.com"


def permit(account, country, action, channel="", service=None):
    values = {"country": country, "channel": channel, "service": service}
    GeoPermission.objects.update_or_create(account=account, **values, defaults={"action": action})
    fraud.forget()


def rule(prefix, action, **values):
    found = PrefixRule.objects.create(prefix=prefix, action=action, **values)
    fraud.forget()
    return found


def refusal(service, to, channel="sms", **options):
    try:
        verifications.start(service, to, channel, **options)
    except exceptions.VerifyError as error:
        return type(error)
    return None


class TestCountries:
    def test_none_is_blocked_by_default(self, service):
        assert refusal(service, GERMAN) is None

    def test_a_blocked_country_is_refused_with_the_vendors_number(self, account, service, outbox):
        permit(account, "DE", "block")
        with pytest.raises(DestinationRefused) as refused:
            verifications.start(service, GERMAN)
        assert (refused.value.code, refused.value.status) == (60605, 403)
        assert not outbox
        assert not Verification.objects.exists()

    def test_the_reason_names_the_country(self, account, service):
        permit(account, "DE", "block")
        refusal(service, GERMAN)
        assert GuardDecision.objects.get().reason == "Messages by sms to Germany are blocked"

    def test_other_accounts_and_countries_and_mail_stay_open(self, account, service):
        permit(account, "DE", "block")
        assert refusal(service, PHONE) is None
        assert refusal(service, MAIL, "email") is None
        assert refusal(make_service(make_account("Other")), GERMAN) is None

    @pytest.mark.parametrize(
        ("rows", "by_sms", "by_call"),
        [
            ([("DE", "block", "call", False)], True, False),
            ([("DE", "block", "", False), ("DE", "allow", "sms", False)], True, False),
            ([("*", "block", "", False)], False, False),
            ([("*", "block", "", False), ("DE", "allow", "", False)], True, True),
            # A country comes before all others, even where those name the channel.
            ([("*", "block", "sms", False), ("DE", "allow", "", False)], True, True),
            # A service's own row comes before its account's.
            ([("DE", "block", "", False), ("DE", "allow", "", True)], True, True),
            ([("DE", "allow", "", False), ("*", "block", "", True)], False, False),
            ([("DE", "block", "", False), ("US", "allow", "", True)], False, False),
            ([("DE", "monitor", "", False)], True, True),
        ],
    )
    def test_the_nearest_row_decides(self, account, service, rows, by_sms, by_call):
        for country, action, channel, is_own in rows:
            permit(account, country, action, channel, service if is_own else None)
        assert (refusal(service, GERMAN) is None) is by_sms
        assert (refusal(service, GERMAN, "call") is None) is by_call

    def test_a_resend_is_decided_as_the_start_was(self, account, service):
        assert refusal(service, GERMAN) is None
        permit(account, "DE", "block")
        assert refusal(service, GERMAN) is DestinationRefused

    def test_a_check_goes_on_in_a_country_that_was_blocked_meanwhile(
        self, account, service, outbox
    ):
        verifications.start(service, GERMAN)
        permit(account, "DE", "block")
        row = verifications.check(service, code_in(outbox[0]), to=GERMAN)
        assert row.status == "approved"

    def test_auto_takes_a_channel_that_is_open(self, account, service):
        permit(account, "DE", "block", "sms")
        row = verifications.start(
            service,
            GERMAN,
            "auto",
            channel_configuration={"sms": {"enabled": True}, "call": {"enabled": True}},
        )
        assert row.channel == "call"

    def test_auto_hears_of_riskcheck(self, account, service):
        permit(account, "DE", "block", "sms")
        wishes = {"sms": {"enabled": True}, "call": {"enabled": True}}
        options = {"channel_configuration": wishes, "risk_check": False}
        assert verifications.start(service, GERMAN, "auto", **options).channel == "sms"

    def test_a_fallback_that_is_blocked_is_left_out(self, account, service):
        permit(account, "DE", "block", "sms")
        wishes = {"whatsapp": {"enabled": True}, "sms": {"enabled": True}}
        verifications.start(service, GERMAN, "whatsapp", channel_configuration=wishes)
        assert VerificationAttempt.objects.get().fallback_channel == ""

    def test_a_test_number_is_not_asked_about(self, account, service, settings):
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
        make_pair(service, "+19005551234")
        assert refusal(service, "+19005551234") is None


class TestRules:
    def test_a_block_is_refused_with_the_guards_number(self, service, outbox):
        rule("+491511", "block")
        with pytest.raises(FraudBlocked) as refused:
            verifications.start(service, GERMAN)
        assert (refused.value.code, refused.value.status) == (60410, 403)
        assert not outbox

    @pytest.mark.parametrize(
        ("rows", "expected"),
        [
            ([("+49", "block", {}), ("+491511", "allow", {})], None),
            ([("+49", "allow", {}), ("+491511", "block", {})], FraudBlocked),
            ([("+491511", "block", {"channels": "call"})], None),
            ([("+491511", "block", {"channels": "call sms"})], FraudBlocked),
            ([("+491511", "allow", {}), ("+491511", "block", {})], FraudBlocked),
            ([("+491511", "block", {}), ("+491511", "allow", {"channels": "sms"})], None),
            ([(GERMAN, "block", {})], FraudBlocked),
            ([(GERMAN + "9", "block", {})], None),
            ([("+1", "block", {})], None),
        ],
    )
    def test_the_longest_prefix_decides(self, service, rows, expected):
        for prefix, action, values in rows:
            rule(prefix, action, **values)
        assert refusal(service, GERMAN) is expected

    def test_an_accounts_own_rule_comes_before_everyones(self, account, service):
        rule("+4915", "block")
        rule("+4915", "allow", account=account)
        assert refusal(service, GERMAN) is None
        assert refusal(make_service(make_account("Other")), GERMAN) is FraudBlocked

    def test_a_rule_ends_to_the_second(self, service, clock):
        rule("+4915", "block", ends_at=timezone.now() + dt.timedelta(seconds=1))
        assert refusal(service, GERMAN) is FraudBlocked
        clock.shift(1)
        assert refusal(service, GERMAN) is None

    def test_an_allowance_comes_before_the_country_and_the_type(self, account, service):
        permit(account, "GB", "block")
        assert refusal(service, "+449098790123") is DestinationRefused
        rule("+4490987", "allow")
        assert refusal(service, "+449098790123") is None
        assert refusal(service, "+442079460000", "call") is DestinationRefused

    @pytest.mark.parametrize("prefix", ["+5411", "+54112345"])
    def test_every_spelling_of_a_number_is_blocked(self, service, prefix):
        rule(prefix, "block")
        assert refusal(service, "+541123450001") is FraudBlocked
        assert refusal(service, "+5491123450001") is FraudBlocked


@pytest.mark.parametrize(
    ("prefix", "refused", "open_"),
    [
        ("+54911", ["+541123456789", "+5491123456789"], ["+543512345678", "+5493512345678"]),
        ("+5411", ["+541123456789", "+5491123456789"], ["+543512345678"]),
        ("+549", ["+541123456789", "+5491123456789"], []),
        ("+972", ["+972502345678"], ["+970599123456"]),
    ],
)
def test_a_rule_is_about_every_spelling_of_a_number(service, prefix, refused, open_):
    rule(prefix, "block")
    assert {refusal(service, to, "call") for to in refused} == {FraudBlocked}
    assert {refusal(service, to, "call") for to in open_} <= {None}


class TestNewRanges:
    def test_a_range_that_no_plan_has_can_be_served(self, service, outbox):
        assert refusal(service, NEW_RANGE) is InvalidParameter
        rule("+49999", "allow")
        row = verifications.start(service, "+49 999 1234-5678")
        assert (row.to, row.country) == (NEW_RANGE, "DE")
        assert verifications.fetch(service, NEW_RANGE).sid == row.sid
        row = verifications.check(service, code_in(outbox[0]), to=NEW_RANGE)
        assert row.status == "approved"

    def test_in_a_process_that_has_not_read_the_rule_yet(self, api, service, outbox):
        PrefixRule.objects.create(prefix="+49999", action="allow")
        path = f"Services/{service.sid}/Verifications"
        assert api.post(path, {"To": NEW_RANGE, "Channel": "sms"}).status == 201
        for call in (
            lambda: api.get(f"{path}/{NEW_RANGE}"),
            lambda: api.post(
                f"Services/{service.sid}/VerificationCheck",
                {"To": NEW_RANGE, "Code": code_in(outbox[0])},
            ),
        ):
            fraud.forget()
            assert call().status == 200

    def test_it_is_open_for_the_rules_account_and_channel_alone(self, account, service):
        rule("+49999", "allow", account=account, channels="sms")
        assert refusal(service, NEW_RANGE) is None
        assert refusal(service, NEW_RANGE, "call") is InvalidParameter
        assert refusal(make_service(make_account("Other")), NEW_RANGE) is InvalidParameter

    def test_a_blocked_range_is_none(self, service):
        rule("+49999", "block")
        assert refusal(service, NEW_RANGE) is InvalidParameter

    def test_it_is_closed_once_the_rule_has_ended(self, service, clock):
        rule("+49999", "allow", ends_at=timezone.now() + dt.timedelta(seconds=60))
        assert refusal(service, NEW_RANGE) is None
        clock.shift(60)
        assert refusal(service, NEW_RANGE) is InvalidParameter

    def test_what_was_started_is_checked_after_the_rule_has_ended(self, service, outbox, clock):
        rule("+49999", "allow", ends_at=timezone.now() + dt.timedelta(seconds=60))
        row = verifications.start(service, NEW_RANGE)
        clock.shift(61)
        assert verifications.fetch(service, NEW_RANGE).sid == row.sid
        with pytest.raises(InvalidParameter):
            verifications.check(service, "123456", to=f"{NEW_RANGE[:-1]}9")
        row = verifications.check(service, code_in(outbox[0]), to=NEW_RANGE)
        assert row.status == "approved"

    def test_it_is_closed_where_the_guard_is_off(self, service, settings):
        rule("+49999", "allow")
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "GUARD_REFRESH": None}
        assert refusal(service, NEW_RANGE) is InvalidParameter
        assert fraud.allowed(service, NEW_RANGE, ["sms"]) == []

    def test_the_grammar_holds_all_the_same(self, service):
        rule("+4", "allow")
        for text in ("+49999", "+49999123456789012", "+4999912345678;ext=7"):
            assert refusal(service, text) is InvalidParameter


class TestSafeList:
    @pytest.fixture
    def listed(self, account):
        return SafeListNumber.objects.create(account=account, phone_number=GERMAN)

    def test_a_number_on_it_passes_country_and_rule_and_type(self, account, service, listed):
        permit(account, "DE", "block")
        assert refusal(service, GERMAN) is None
        rule("+4915", "block")
        assert refusal(service, GERMAN) is None
        assert refusal(service, "+4915112345679") is FraudBlocked
        SafeListNumber.objects.create(account=account, phone_number="+442071838750")
        assert refusal(service, "+442071838750") is None

    def test_it_is_the_accounts_own(self, listed):
        other = make_account("Other")
        permit(other, "DE", "block")
        assert refusal(make_service(other), GERMAN) is DestinationRefused

    def test_taking_a_number_off_counts_at_once(self, account, service, listed):
        permit(account, "DE", "block")
        assert refusal(service, GERMAN) is None
        listed.delete()
        assert refusal(service, GERMAN) is DestinationRefused

    def test_the_guess_budget_is_kept(self, account, service, listed, settings):
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "RECIPIENT_STARTS_PER_DAY": 1}
        verifications.cancel(service, verifications.start(service, GERMAN).sid)
        assert refusal(service, GERMAN) is exceptions.TooManyRequests

    def test_it_is_asked_once_for_all_channels(self, account, service, listed):
        permit(account, "DE", "block")
        with CaptureQueriesContext(connection) as queries:
            names = fraud.allowed(service, GERMAN, ["sms", "call", "whatsapp"])
        assert names == ["sms", "call", "whatsapp"]
        assert len([q for q in queries if "safelist" in q["sql"]]) == 1

    def test_its_fallback_is_kept(self, account, service, listed):
        permit(account, "DE", "block", "sms")
        wishes = {"whatsapp": {"enabled": True}, "sms": {"enabled": True}}
        verifications.start(service, GERMAN, "whatsapp", channel_configuration=wishes)
        assert VerificationAttempt.objects.get().fallback_channel == "sms"

    def test_a_number_that_passes_is_not_looked_up(self, service, listed, monkeypatch):
        monkeypatch.setattr(fraud.guard, "is_safe_listed", None)
        assert refusal(service, GERMAN) is None


class TestRiskCheck:
    @pytest.mark.parametrize(
        ("channel", "risk_check", "passes"),
        [
            ("sms", "disable", True),
            ("sms", "enable", False),
            ("sms", "", False),
            ("call", "disable", False),
        ],
    )
    def test_passes_the_country_by_text_alone(
        self, api, account, service, channel, risk_check, passes
    ):
        permit(account, "DE", "block")
        answer = api.post(
            f"Services/{service.sid}/Verifications",
            {"To": GERMAN, "Channel": channel, "RiskCheck": risk_check},
        )
        assert (answer.status == 201) is passes
        if not passes:
            assert (answer.status, answer.data["code"]) == (403, 60605)

    def test_passes_rules_and_not_types(self, service):
        rule("+4915", "block")
        assert refusal(service, GERMAN, risk_check=False) is None
        assert refusal(service, "+19005551234", risk_check=False) is DestinationRefused


class TestClients:
    @pytest.fixture
    def service(self, account):
        return make_service(account, client_enabled=True)

    def start(self, to, **members):
        client = Client(raise_request_exception=False)
        return client.post("/mobile/verifications", {"to": to, **members}, "application/json")

    def test_learn_of_a_blocked_country(self, account, service):
        permit(account, "DE", "block")
        answer = self.start(GERMAN)
        assert (answer.status_code, answer.json()["reason"]) == (403, "country")

    def test_learn_of_a_type(self, service):
        answer = self.start("+19005551234")
        assert (answer.status_code, answer.json()["reason"]) == (403, "number_type")

    def test_do_not_learn_of_a_rule(self, service, outbox):
        rule("+4915", "block")
        shadow, open_ = self.start(GERMAN), self.start(PHONE)
        assert (shadow.status_code, open_.status_code) == (201, 201)
        assert shadow.json().keys() == open_.json().keys()
        assert shadow.json()["channels"] == open_.json()["channels"]
        assert [message.to for message in outbox] == [PHONE]
        attempt = VerificationAttempt.objects.get(verification__to=GERMAN)
        assert attempt.withheld == "blocked"

    def test_do_not_learn_of_a_rule_by_what_a_start_costs(self, service):
        rule("+4915", "block")
        costs = []
        caller = clients.Caller(ip="192.0.2.1")
        # The counts of the caller's network, and of both prefixes, have rows then.
        for to in ("+4915112345999", "+14155552672"):
            clients.start(offers.offered(), to, caller=caller)
        for to in (GERMAN, PHONE):
            fraud.refresh()
            with CaptureQueriesContext(connection) as queries:
                clients.start(offers.offered(), to, caller=caller)
            # The decision's own row is the one statement more; a message that leaves costs more.
            found = [query["sql"].split()[:3] for query in queries]
            costs.append([words for words in found if "guarddecision" not in words[-1]])
        assert costs[0] == costs[1]

    def test_are_refused_where_the_site_says_so(self, service, settings):
        settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "SHOW_FRAUD_BLOCKS": True}
        rule("+4915", "block")
        answer = self.start(GERMAN)
        assert (answer.status_code, answer.json()["reason"]) == (403, "fraud_blocked")

    def test_get_the_first_channel_that_is_open(self, account, service):
        permit(account, "DE", "block", "sms")
        answer = self.start(GERMAN).json()
        assert answer["channel"] == "call"
        assert "sms" not in answer["channels"]

    def test_are_offered_what_the_country_gets(self, account, service):
        permit(account, "DE", "block", "call")
        answer = self.start(GERMAN).json()
        assert answer["channel"] == "sms"
        assert "call" not in answer["channels"]
        assert "whatsapp" in answer["channels"]
        assert "call" in self.start(PHONE).json()["channels"]

    def test_are_told_the_countries_that_are_on_offer(self, account, service):
        permit(account, "*", "block")
        permit(account, "DE", "allow")
        permit(account, "US", "allow", "sms")
        rule("+4479", "allow")
        answer = Client().get("/mobile/verifications?language=de")
        assert answer.status_code == 200
        body = answer.json()
        by_region = {each["region"]: each for each in body["countries"]}
        # A rule opens a part of what shares the calling code.
        assert set(by_region) == {"DE", "US", "GB", "GG", "IM", "JE"}
        assert by_region["DE"]["name"] == "Deutschland"
        assert by_region["DE"]["calling_code"] == 49
        assert "call" in by_region["DE"]["channels"]
        assert by_region["US"]["channels"] == ["sms"]
        assert body["channels"] == offers.channels_on_offer(service)
        assert by_region["DE"]["channels"] == [name for name in body["channels"] if name != "email"]

    def test_are_offered_of_an_opened_part_its_country_and_channel_alone(self, account, service):
        permit(account, "*", "block")
        PrefixRule.objects.create(prefix="+1876", action="allow", channels="call")
        body = Client().get("/mobile/verifications").json()
        assert [each["region"] for each in body["countries"]] == ["JM"]
        assert body["countries"][0]["channels"] == ["call"]

    def test_read_names_in_the_language_they_prefer(self, service):
        answer = Client().get("/mobile/verifications", headers={"accept-language": "de"})
        names = [each["name"] for each in answer.json()["countries"]]
        assert "Deutschland" in names
        assert len(names) == len(phones.regions())

    def test_may_start_for_a_range_that_a_rule_opens(self, service):
        PrefixRule.objects.create(prefix="+49999", action="allow")
        assert self.start("0999 12345678", region="DE").status_code == 201


class TestPages:
    @pytest.fixture
    def service(self, account):
        return make_service(account, client_enabled=True)

    def test_the_picker_has_what_is_open(self, account, service):
        permit(account, "*", "block")
        permit(account, "DE", "allow")
        page = Client().get("/", headers={"accept-language": "en-US"})
        choices = dict(page.context["form"].fields["country"].choices)
        assert set(choices) == {"", "DE"}
        assert page.context["form"].initial["country"] == ""

    def test_a_number_of_another_country_gets_a_sentence(self, account, service):
        permit(account, "FR", "block")
        client = Client()
        page = client.post("/", {"number": "+33612345678", "channel": "sms"})
        assert page.status_code == 200
        assert "numbers of this country" in page.content.decode()

    def test_a_number_of_a_refused_type_gets_a_sentence(self, service):
        page = Client().post("/", {"number": "+19005551234", "channel": "call"})
        assert "cannot receive a code" in page.content.decode()


def test_each_account_has_its_own_countries_on_the_wire(account, service):
    other = make_account("Other")
    permit(other, "DE", "block")
    theirs = make_service(other)
    for owner, mine, status in ((account, service, 201), (other, theirs, 403)):
        answer = Api(owner.sid, owner.token).post(
            f"Services/{mine.sid}/Verifications", {"To": GERMAN, "Channel": "sms"}
        )
        assert answer.status == status
