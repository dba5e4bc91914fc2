"""What the codes of providers mean: a table for each sender, and what is the same for all."""

import ast
from pathlib import Path

import pytest
from django.utils import translation

from django_verify import delivery, senders
from django_verify.models import VerificationAttempt
from django_verify.senders import causes, rest
from django_verify.senders.base import Sender
from django_verify.senders.causes import REPORTED, WORDS, Cause
from django_verify.senders.http import HttpSender
from tests.senders.test_contract import CASES, SENDERS, build, message  # noqa: F401

ROOM = Path(senders.__file__).parent
#: Those whose provider, or library, has no codes.
WITHOUT_CODES = {"AppriseSender", "ConsoleSender", "FileSender", "LocmemSender"}
#: Its table is the site's own.
BY_OPTIONS = {"HttpSender"}

# Written down a second time, from the providers' lists: one wrong row in a table is seen here.
KNOWN = {
    "TwilioSender": {
        "20003": "credentials",
        "20005": "account",
        "20429": "rate_limited",
        "21211": "invalid_number",
        "21408": "country",
        "21606": "configuration",
        "21608": "account",
        "21610": "opted_out",
        "21612": "country",
        "21614": "not_mobile",
        "21635": "not_mobile",
        "30001": "rate_limited",
        "30002": "account",
        "30003": "unreachable",
        "30004": "opted_out",
        "30005": "invalid_number",
        "30006": "not_mobile",
        "30007": "spam",
        "30008": "unknown",
        "30032": "registration",
        "30034": "registration",
        "30450": "spam",
        "63016": "registration",
        "63024": "invalid_number",
    },
    "TwilioVerifySender": {
        "20003": "credentials",
        "20404": "configuration",
        "21211": "invalid_number",
        "21614": "not_mobile",
        "60203": "rate_limited",
        "60204": "account",
        "60205": "not_mobile",
        "60242": "registration",
        "60410": "spam",
        "60603": "balance",
        "60605": "country",
    },
    "VonageSender": {
        "1": "rate_limited",
        "4": "credentials",
        "7": "opted_out",
        "8": "account",
        "9": "balance",
        "14": "credentials",
        "15": "registration",
        "29": "account",
        "33": "invalid_number",
    },
    "MessageBirdSender": {"2": "credentials", "25": "balance", "99": "provider_down"},
    "BirdSender": {"Unauthorized": "credentials", "Forbidden": "account"},
    "PlivoSender": {
        "invalid_number": "invalid_number",
        "30": "spam",
        "50": "invalid_number",
        "80": "unreachable",
        "90": "provider_down",
        "100": "not_mobile",
        "200": "opted_out",
        "450": "country",
        "451": "rate_limited",
        "900": "balance",
    },
    "SinchSender": {"unauthorized": "credentials", "missing_sender": "configuration"},
    "TelnyxSender": {
        "10009": "credentials",
        "20100": "balance",
        "40001": "not_mobile",
        "40002": "spam",
        "40003": "spam",
        "40006": "unreachable",
        "40011": "rate_limited",
        "40012": "invalid_number",
        "40013": "configuration",
        "40015": "spam",
        "40016": "rate_limited",
        "40019": "registration",
        "40020": "spam",
        "40155": "registration",
        "40300": "opted_out",
        "40307": "configuration",
        "40310": "invalid_number",
        "40323": "configuration",
        "40325": "configuration",
        "40329": "registration",
        "40330": "configuration",
        "40331": "country",
        "40333": "rate_limited",
    },
    "AfricasTalkingSender": {
        "InsufficientBalance": "balance",
        "InvalidSenderId": "registration",
        "UnsupportedNumberType": "not_mobile",
        "UserInBlacklist": "opted_out",
        "CouldNotRoute": "country",
        "GatewayError": "provider_down",
        "RiskHold": "spam",
    },
    "WhatsAppSender": {
        "190": "credentials",
        "131042": "balance",
        "131026": "invalid_number",
        "131048": "spam",
        "131049": "spam",
        "130429": "rate_limited",
        "132001": "registration",
        "131016": "provider_down",
        "131031": "account",
    },
    "SnsSender": {
        "InvalidClientTokenId": "credentials",
        "AuthorizationError": "account",
        "OptedOut": "opted_out",
        "Throttled": "rate_limited",
    },
    "EndUserMessagingSender": {
        "UnrecognizedClientException": "credentials",
        "COUNTRY_NOT_ENABLED": "country",
        "DESTINATION_PHONE_NUMBER_OPTED_OUT": "opted_out",
        "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT": "balance",
        "REGISTRATION_NOT_COMPLETE": "registration",
    },
    "TelegramSender": {
        "ACCESS_TOKEN_INVALID": "credentials",
        "BALANCE_NOT_ENOUGH": "balance",
        "PHONE_NUMBER_NOT_AVAILABLE": "unreachable",
        "FLOOD_WAIT": "rate_limited",
    },
    "AzureSender": {"Unauthorized": "credentials", "TooManyRequests": "rate_limited"},
    "AliyunSender": {
        "isv.AMOUNT_NOT_ENOUGH": "balance",
        "SignatureDoesNotMatch": "credentials",
        "isv.SMS_TEMPLATE_ILLEGAL": "registration",
        "isv.MOBILE_IN_BLACK": "opted_out",
        "isv.BUSINESS_LIMIT_CONTROL": "rate_limited",
        "isv.NOT_SUPPORTED_COUNTRY": "country",
    },
    "TencentSender": {
        "AuthFailure.SignatureFailure": "credentials",
        "FailedOperation.InsufficientBalanceInSmsPackage": "balance",
        "FailedOperation.TemplateUnapprovedOrNotExist": "registration",
        "FailedOperation.PhoneNumberInBlacklist": "opted_out",
        "LimitExceeded.PhoneNumberDailyLimit": "rate_limited",
    },
    "EmailSender": {
        "535": "credentials",
        "550": "invalid_number",
        "552": "unreachable",
        "554": "spam",
        "421": "provider_down",
    },
}
REPORTS = {
    "VonageSender": {"4": "opted_out", "6": "spam", "9": "invalid_number", "15": "balance"},
    "MessageBirdSender": {"1": "invalid_number", "27": "unreachable", "13": "opted_out"},
    "SinchSender": {"402": "country", "406": "unreachable", "408": "spam", "413": "account"},
    "AfricasTalkingSender": {"UserInBlackList": "opted_out", "UserIsInactive": "unreachable"},
    "AzureSender": {"4004": "invalid_number", "4006": "unreachable", "4007": "opted_out"},
    "AliyunSender": {"MOBILE_NOT_ON_SERVICE": "invalid_number", "CONTENT_KEYWORD": "spam"},
    "TencentSender": {"UNDELIV": "unreachable", "REJECTD": "spam"},
    "TwilioSender": {"30003": "unreachable"},
    "TelnyxSender": {"40002": "spam"},
    "WhatsAppSender": {"131026": "invalid_number"},
    "PlivoSender": {"200": "opted_out"},
}
STATUSES = {
    "401": "credentials",
    "402": "balance",
    "403": "account",
    "404": "configuration",
    "408": "no_answer",
    "422": "configuration",
    "429": "rate_limited",
    "500": "provider_down",
    "502": "provider_down",
    "503": "provider_down",
    "504": "no_answer",
}
#: Limits that the provider sets for what the site did, or that the account may have raised.
BETWEEN = {"131048", "ServiceQuotaExceededException"}
KINDS = {kind.__name__: kind for found in SENDERS.values() for kind in found}


def bare(kind):
    """A sender without options: its tables are the class's."""
    return kind.__new__(kind)


@pytest.fixture
def alias(monkeypatch):
    """Configure a bare sender of a class, and return its alias."""

    def configure(kind):
        monkeypatch.setattr(senders, "configured", lambda: {"it": bare(kind)})
        return "it"

    return configure


def rows(table):
    return [(name, code, cause) for name, codes in table.items() for code, cause in codes.items()]


@pytest.mark.parametrize(("name", "code", "cause"), rows(KNOWN))
def test_a_code_has_its_cause(name, code, cause, alias):
    assert delivery.explain_error(alias(KINDS[name]), code).cause == cause


@pytest.mark.parametrize(("name", "code", "cause"), rows(REPORTS))
def test_a_code_of_a_report_has_its_cause(name, code, cause, alias):
    assert delivery.explain_error(alias(KINDS[name]), code, REPORTED).cause == cause


EVERY_CODE = [
    (name, code, text)
    for name, kind in KINDS.items()
    for table, text in ((kind.causes, ""), (kind.report_causes, REPORTED))
    for code in table
]


@pytest.mark.parametrize(("name", "code", "text"), EVERY_CODE)
def test_every_code_of_a_table_reaches_a_row_and_is_explained(name, code, text, alias):
    """A code that looks like more than one is not kept, and could not be explained."""
    kept = bare(KINDS[name]).shown(code) if issubclass(KINDS[name], rest.RestSender) else code
    if text == REPORTED:
        kept = rest.code_of(code)
    assert kept == code
    assert len(code) <= VerificationAttempt._meta.get_field("error_code").max_length
    expected = (KINDS[name].report_causes if text else KINDS[name].causes)[code]
    assert delivery.explain_error(alias(KINDS[name]), kept, text).cause == expected


def test_every_sender_has_a_table_and_its_source():
    for name, kind in KINDS.items():
        if name in WITHOUT_CODES | BY_OPTIONS:
            assert not kind.causes, name
        else:
            assert kind.causes, name
            assert kind.error_list.startswith("https://"), name
            assert name in KNOWN, name


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_code_that_a_sender_acts_by_is_explained_alike(name):
    """What ends an attempt is the recipient's, and what raises an alarm is the site's."""
    kind = KINDS[name]
    sender = bare(kind)
    for code in getattr(kind, "permanent", ()):
        assert sender.cause_of(code).words.whose in {"recipient", "site"}, code
        refused = delivery.explain_error("gone", code, "the provider refused the recipient")
        assert refused.whose == "recipient"
    for code in getattr(kind, "account", ()):
        found = sender.cause_of(code) or causes.of_status(code)
        assert found.words.whose == "site" or code in BETWEEN, code
    for code in getattr(kind, "temporary", ()):
        found = sender.cause_of(code) or causes.of_status(code)
        assert found.words.whose == "provider" or code in BETWEEN, code


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"EmailSender"}))
@pytest.mark.parametrize(("status", "cause"), STATUSES.items())
def test_an_http_status_means_the_same_for_every_sender(status, cause, name, alias):
    known = alias(KINDS[name])
    for text in ("", rest.REFUSALS[rest.fault_of(int(status))]):
        assert delivery.explain_error(known, status, text).cause == cause


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_401_is_wrong_credentials_everywhere(name, alias):
    found = delivery.explain_error(alias(KINDS[name]), "401", rest.REFUSALS["account"])
    assert (found.cause, found.whose) == ("credentials", "site")
    assert found.sentence == "it refuses our credentials."


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("the provider could not be reached", "provider_down"),
        ("the provider did not answer", "no_answer"),
        ("AWS could not be reached: EndpointConnectionError", "provider_down"),
        ("AWS could not be reached: NoCredentialsError", "credentials"),
        ("the mail server failed: ConnectionRefusedError", "provider_down"),
        ("no sender serves this channel", "no_sender"),
        ("dropped: the code was over before the message was sent", "late"),
        ("the verification was over before the message was sent", "over"),
        ("withheld: test", "withheld"),
        ("KeyError in the sender", "bug"),
        ("ValueError while the message was composed", "bug"),
        ("the key of the code is no longer configured, so the code is lost", "key"),
        (REPORTED, "unknown"),
        ("something of a sender of the site's own", "unknown"),
    ],
)
def test_a_text_of_ours_has_its_cause(text, cause):
    assert delivery.explain_error("gone", "", text).cause == cause


#: What any provider may do, by the names of the contract's failures.
ANYWHERE = {
    "unauthorized": "credentials",
    "throttled": "rate_limited",
    "broken": "provider_down",
    "unreachable": "provider_down",
    "silent": "no_answer",
    "unreadable": "no_answer",
}
#: Where a library hides the status, and where an answer without the words of success is a refusal.
ELSE = {
    **{(name, "throttled"): "no_answer" for name in ("apprise", "sns")},
    **{(name, "broken"): "no_answer" for name in ("apprise", "sns")},
    ("http", "unreadable"): "configuration",
}
FAILURES = [
    pytest.param(name, failure, id=f"{name}-{failure.name}", marks=failure.marks)
    for name, case in CASES.items()
    for failure in case.failures
    if failure.name in ANYWHERE
]


@pytest.mark.parametrize(("name", "failure"), FAILURES)
def test_what_a_provider_does_is_explained_as_it_is_recorded(
    name,
    failure,
    build,  # noqa: F811
    monkeypatch,
    tmp_path,
):
    """From the provider's answer to the row, and from there to the words."""
    sender = build(name)
    channel = min(sender.channels & {"sms", "email", "whatsapp", "telegram"})
    failure.arrange(monkeypatch, tmp_path, sender)
    with pytest.raises(senders.SendError) as caught:
        sender.send(message(channel))
    found = delivery.explain_error("it", caught.value.code, str(caught.value))
    expected = ELSE.get((name, failure.name), ANYWHERE[failure.name])
    assert found.cause == expected, (caught.value.code, str(caught.value))


def test_a_recipient_that_was_refused_is_told_from_another_invalid_value(alias):
    known = alias(KINDS["TelnyxSender"])
    asked = "the provider refused the request, and not for its recipient"
    assert delivery.explain_error(known, "10002", asked).cause == "configuration"
    refused = delivery.explain_error(known, "10002", "the provider refused the recipient")
    assert refused.cause == "invalid_number"


def test_a_reported_code_is_no_http_status(alias):
    assert delivery.explain_error(alias(KINDS["VonageSender"]), "401", REPORTED).cause == "unknown"


def test_a_mail_refused_by_a_policy_is_no_missing_mailbox(alias):
    known = alias(KINDS["EmailSender"])
    assert delivery.explain_error(known, "550", "the mail server refused the mail").cause == "spam"
    refused = delivery.explain_error(known, "550", "the mail server refused the recipient")
    assert refused.cause == "invalid_number"


def literals(tree):
    """Yield the beginnings of the texts that a module raises its errors with."""
    kinds_of_errors = {"SendError", "TemporarySendError", "LeftToAnother"}
    for node in ast.walk(tree):
        found = None
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in kinds_of_errors:
            found = node.args[0] if node.args else None
        if isinstance(found, ast.IfExp):
            yield from (part.value for part in (found.body, found.orelse))
        elif isinstance(found, ast.JoinedStr) and isinstance(found.values[0], ast.Constant):
            yield found.values[0].value
        elif isinstance(found, ast.Constant):
            yield found.value


def test_no_text_of_a_sender_is_left_unexplained():
    texts = {
        text for path in ROOM.glob("*.py") for text in literals(ast.parse(path.read_text()))
    } | set(rest.REFUSALS.values())
    assert len(texts) > 25
    unexplained = {
        text for text in texts if not (causes.of_text(text) or causes.of_vague_text(text))
    }
    assert not unexplained


def test_each_cause_has_words_and_a_deed():
    assert set(WORDS) == set(Cause)
    for cause, words in WORDS.items():
        found = delivery.explain_error("acme")
        assert words.whose in {"site", "provider", "recipient", "nobody"}
        for text in (words.sentence, words.deed):
            shown = str(text) % {"sender": "acme"}
            assert shown.endswith("."), cause
            assert "%" not in shown, cause
        assert len(str(cause.label)) <= 20, cause
        assert found.deed


def test_the_words_are_those_of_the_viewer(monkeypatch):
    with translation.override("de"):
        assert delivery.explain_error("acme", "401").sentence


def test_an_attempt_without_an_error_needs_no_explanation(alias):
    fine = VerificationAttempt(sender=alias(KINDS["TwilioSender"]))
    assert delivery.explain(fine) is None
    fine.error_code, fine.error_message = "30006", REPORTED
    found = delivery.explain(fine)
    assert (found.cause, found.code, found.text) == ("not_mobile", "30006", REPORTED)
    assert found.url == "https://www.twilio.com/docs/api/errors"


def test_a_sender_of_the_sites_own_may_have_a_table(monkeypatch):
    class Own(Sender):
        causes = causes.by_code(balance="E7")

    monkeypatch.setattr(senders, "configured", lambda: {"own": Own("own")})
    assert delivery.explain_error("own", "E7").cause == "balance"


def gateway(**options):
    return HttpSender("gateway", url="https://gateway.example", fields={"to": "{to}"}, **options)


def test_a_gateway_explains_by_its_options():
    sender = gateway(
        permanent_codes=["BAD"], account_codes=[7], temporary_codes=["BUSY"], causes={7: "balance"}
    )
    found = {code: str(sender.cause_of(code)) for code in ("BAD", "7", "BUSY")}
    assert found == {"BAD": "invalid_number", "7": "balance", "BUSY": "provider_down"}
    assert sender.cause_of("ELSE") is None


def test_a_gateway_refuses_a_cause_that_does_not_exist():
    with pytest.raises(ValueError, match="causes maps codes"):
        gateway(causes={"7": "poverty"})
