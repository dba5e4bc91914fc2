"""The story of a verification: each thing that can happen to it has words, and what to do."""

import datetime as dt
from types import SimpleNamespace

import pytest
from django.utils import timezone

from django_verify import delivery, verifications
from django_verify.delivery import attempts, reports
from django_verify.models import GuardDecision, Template, Verification, VerificationAttempt
from django_verify.senders import Report, Sender, SendError, TemporarySendError
from django_verify.verifications import clients, story
from django_verify.verifications.story import State
from tests.conftest import PHONE, code_in, make_pair, wrong

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]

MEMORY = {"BACKEND": "django_verify.senders.locmem.LocmemSender"}


class Refusing(Sender):
    channels = frozenset({"sms", "whatsapp"})

    def send(self, message):
        raise SendError("the number is not in service", code="21614")


class Failing(Sender):
    channels = frozenset({"sms", "whatsapp"})

    def send(self, message):
        raise TemporarySendError("no answer", code="503", uncertain=True)


def no_queue(sid):
    """Wakes nobody: a worker finds the row by itself."""


def use(settings, **senders):
    backends = {"Refusing": f"{__name__}.Refusing", "Failing": f"{__name__}.Failing"}
    settings.DJANGO_VERIFY = {
        "SENDERS": {
            alias: {"BACKEND": backends[name]} if name in backends else MEMORY
            for alias, name in senders.items()
        }
    }


def told(row, now=None):
    row = Verification.objects.get(pk=row.pk)
    return story.tell(row, now or timezone.now())


def texts(row):
    return [step.text for step in told(row).steps]


def last_attempt():
    return VerificationAttempt.objects.latest("sid")


def test_a_code_that_was_delivered_and_entered(service, outbox, clock):
    row = verifications.start(service, PHONE)
    last = last_attempt()
    VerificationAttempt.objects.update(provider_sid="SM1", price_value="0.01", price_currency="USD")
    clock.shift(3)
    reports.record("memory", [Report("SM1", "delivered")], last.sid)
    code = code_in(outbox[0])
    for number in (1, 2):
        verifications.check(service, wrong(code, number), verification_sid=row.sid)
    clock.shift(38)
    verifications.check(service, code, verification_sid=row.sid)
    found = told(row)
    assert [step.text for step in found.steps] == [
        "Asked for by your backend, over the API or in Python.",
        "The guard had nothing against it.",
        "Written as: Text message (SMS), in English.",
        "Handed to memory, as Text message (SMS).",
        "Accepted by memory.",
        "Delivered after 3 seconds.",
        "2 wrong codes were entered.",
        "The right code was entered: approved after 41 seconds.",
    ]
    assert found.outcome == found.steps[-1]
    assert found.outcome.state == State.DONE
    facts = dict(fact for step in found.steps for fact in step.facts)
    assert facts == {
        "Service": "Acme",
        "Country": "United States",
        "Provider's id": "SM1",
        "Price": "0.01 USD",
    }


def test_nothing_of_it_names_the_person(service, outbox):
    row = verifications.start(service, PHONE)
    assert PHONE not in repr(told(row))
    assert code_in(outbox[0]) not in repr(told(row))


def test_a_message_that_is_refused_is_explained_and_can_be_sent_again(service, settings):
    use(settings, carrier="Refusing")
    row = verifications.start(service, PHONE)
    found = told(row)
    assert found.outcome.state == State.FAILED
    assert found.outcome.text.startswith("It was not sent.")
    assert found.outcome.deed.endswith("Then send it again.")
    facts = dict(found.outcome.facts)
    assert facts["Sender"] == "carrier"
    assert facts["Provider's code"] == "21614"
    assert facts["Provider's words"] == "the number is not in service"
    assert found.steps[-1].text == "Waits for the code: 5 guesses are left, for 10\xa0minutes."


def test_a_sender_that_did_not_answer_is_followed_by_the_next(service, settings):
    use(settings, first="Failing", spare="memory")
    row = verifications.start(service, PHONE)
    said = texts(row)
    assert (
        "Handed to first, as Text message (SMS). It did not answer: the message may have left."
        in said
    )
    assert "Then handed to spare, as Text message (SMS)." in said
    assert told(row).outcome.state == State.WAITING


def test_a_message_that_got_lost_is_followed_by_another(service):
    row = verifications.start(service, PHONE)
    lost = {"sender": "old", "channel": "whatsapp", "provider_sid": "W1", "status": "undelivered"}
    VerificationAttempt.objects.update(trail=[lost], via_channel="sms")
    found = told(row)
    (step,) = [step for step in found.steps if step.text.startswith("old took it")]
    assert step.text == "old took it, as WhatsApp, and it did not arrive."
    assert ("Provider's id", "W1") in step.facts
    assert found.outcome.state == State.WAITING


def test_a_message_that_is_tried_again_later(service, settings, clock):
    use(settings, first="Failing")
    row = verifications.start(service, PHONE)
    VerificationAttempt.objects.update(messages=0, trail=[])
    found = told(row)
    assert found.outcome.state == State.FAILED
    assert "Tried 1 time. It is tried again in " in found.outcome.text
    clock.shift(600 - 1)
    assert "It has waited for a worker for 9\xa0minutes" in told(row).outcome.text
    assert "Run manage.py deliverattempts" in told(row).outcome.deed


def test_a_message_that_waits_for_a_worker(service, settings, clock):
    settings.DJANGO_VERIFY = {"SENDERS": {"memory": MEMORY}, "DISPATCH": f"{__name__}.no_queue"}
    row = verifications.start(service, PHONE)
    assert "It waits for a worker to send it." in texts(row)
    clock.shift(100)
    assert told(row).outcome.text == "It has waited for a worker for 1\xa0minute."
    VerificationAttempt.objects.update(message_status="sending", due_at=timezone.now())
    assert "It is being sent." in texts(row)


@pytest.mark.parametrize("status", ["undelivered", "failed"])
def test_a_message_that_did_not_arrive(service, status):
    row = verifications.start(service, PHONE)
    VerificationAttempt.objects.update(provider_sid="SM1")
    reports.record("memory", [Report("SM1", status, code="30005")], last_attempt().sid)
    VerificationAttempt.objects.update(due_at=None)
    found = told(row)
    assert found.outcome.text.startswith("It did not arrive.")
    assert ("Provider's code", "30005") in found.outcome.facts
    VerificationAttempt.objects.update(due_at=timezone.now())
    assert told(row).outcome.deed == "Nothing: another sender is tried."


def test_what_was_read_and_what_is_awaited(service):
    row = verifications.start(service, PHONE)
    assert "Whether it arrived was not reported." in texts(row)
    VerificationAttempt.objects.update(due_at=timezone.now() + dt.timedelta(seconds=60))
    assert "No report of its delivery yet. Without one, it is sent by another sender." in texts(row)
    # What it is due for once its verification is over is no other message.
    Verification.objects.update(status="approved")
    assert "Whether it arrived was not reported." in texts(row)
    VerificationAttempt.objects.update(message_status="undelivered", error_code="30005")
    assert not any("another sender" in step.deed for step in told(row).steps)
    VerificationAttempt.objects.update(message_status="read")
    assert any(text.startswith("Read after ") for text in texts(row))


def decide(row, **values):
    return GuardDecision.objects.create(
        **{
            "account_id": row.account_id,
            "attempt_sid": last_attempt().sid,
            "recipient_key": row.recipient_key,
            "channel": "sms",
            "cause": "block",
            "level": "standard",
            "reason": "14 of 14 numbers new",
            **values,
        }
    )


def test_what_the_guard_withheld(service):
    row = verifications.start(service, PHONE)
    VerificationAttempt.objects.update(withheld="blocked", message_status="canceled")
    assert "withheld by your site or by the guard" in told(row).outcome.text
    decide(row, outcome="withheld")
    found = told(row)
    assert found.outcome.text == (
        "The guard did not send it: 14 of 14 numbers new. The caller was not told."
    )
    assert "safe list" in found.outcome.deed
    assert not any("Handed" in step.text for step in found.steps)
    assert [decision.reason for decision in found.decisions] == ["14 of 14 numbers new"]


def test_what_the_guard_only_recorded(service):
    row = verifications.start(service, PHONE)
    decide(row, outcome="recorded")
    assert "The guard would have refused it, and only recorded it: 14 of 14 numbers new." in texts(
        row
    )
    assert told(row).outcome.state == State.WAITING


def test_a_test_number(service, settings):
    settings.DJANGO_VERIFY = {"SENDERS": {"memory": MEMORY}, "TEST_NUMBERS": True}
    make_pair(service)
    row = verifications.start(service, PHONE)
    assert "A test number: nothing is sent, and its fixed code is entered." in texts(row)
    assert "test number" in story.why_not_again(last_attempt(), timezone.now())


@pytest.mark.parametrize(
    ("code", "words"),
    [(None, "has not done so yet"), (0, "The carrier confirmed"), (60008, "did not confirm")],
)
def test_the_silent_network(service, code, words):
    row = verifications.start(service, PHONE)
    VerificationAttempt.objects.update(channel="sna", sna_error_code=code)
    assert any(words in text for text in texts(row))


def test_a_client_a_resend_and_a_template(service, account):
    service.client_enabled, service.client_purposes = True, "sign-in"
    service.save()
    state = clients.start(
        service, PHONE, caller=clients.Caller(ip="192.0.2.1", device_id="x"), purpose="sign-in"
    )
    row = Verification.objects.get(client=state.sid)
    template = Template.objects.create(account=account, friendly_name="Short one")
    VerificationAttempt.objects.update(
        template={"sid": template.sid, "locale": "en", "text": ""},
        network="3fa9c1d2", device="77aa", locale="xx", fallback_channel="call",
    )  # fmt: skip
    found = told(row)
    facts = dict(fact for step in found.steps for fact in step.facts)
    assert "on an unknown device" in found.steps[0].text
    assert facts["Purpose"] == "sign-in"
    assert facts["Caller's network (digest)"] == "3fa9c1d2"
    assert facts["Template"] == "Short one"
    assert facts["Fallback"] == "Phone call"
    assert "Written as: Text message (SMS), in xx." in [step.text for step in found.steps]
    Verification.objects.update(recognized=True)
    assert "on a device that is known" in told(row).steps[0].text


def test_a_second_message(service):
    verifications.start(service, PHONE)
    row = verifications.start(service, PHONE, "call")
    said = texts(row)
    assert said.count("Asked for once more.") == 1
    assert "Written as: Phone call, in English." in said


def test_one_that_is_locked_and_then_over(service, outbox, clock):
    row = verifications.start(service, PHONE)
    for number in range(5):
        verifications.check(
            service, wrong(code_in(outbox[0]), number + 1), verification_sid=row.sid
        )
    found = told(row)
    assert found.outcome.text == "Locked: too many wrong codes were entered."
    assert "unlock the number" in found.outcome.deed
    assert "10\xa0minutes" in found.outcome.deed
    clock.shift(600)
    assert told(row).outcome.deed == "The person asks for a new code."


def test_other_ends(service, clock):
    canceled = verifications.start(service, PHONE)
    clock.shift(125)
    verifications.cancel(service, canceled.sid)
    assert told(canceled).outcome.text == "Canceled after 2\xa0minutes."
    approved = verifications.start(service, PHONE)
    verifications.approve(service, approved.sid)
    assert told(approved).outcome.text == "Approved by your site after 0 seconds, without its code."
    expired = verifications.start(service, PHONE)
    clock.shift(600)
    assert told(expired).outcome.text == "Expired: no right code was entered in time."
    assert [row.pk for row in told(expired).others] == [approved.pk, canceled.pk]


def test_it_takes_no_more_statements_with_more_messages(service, django_assert_max_num_queries):
    row = verifications.start(service, PHONE)
    for channel in ("call", "sms", "call"):
        verifications.start(service, PHONE, channel)
    row = Verification.objects.select_related("service").get(pk=row.pk)
    with django_assert_max_num_queries(7):
        story.tell(row, timezone.now())


def test_why_a_message_cannot_be_sent_again(service, settings, clock):
    use(settings, carrier="Refusing")
    row = verifications.start(service, PHONE)

    def why(now=None, **values):
        VerificationAttempt.objects.update(**values)
        attempt = VerificationAttempt.objects.select_related("verification__service").latest("sid")
        reason = story.why_not_again(attempt, now or timezone.now())
        assert bool(reason) != _requeues(attempt)
        return reason

    def _requeues(attempt):
        before = VerificationAttempt.objects.filter(pk=attempt.pk).values(
            "message_status", "tries", "due_at", "messages"
        )[0]
        done = delivery.requeue(attempt)
        VerificationAttempt.objects.filter(pk=attempt.pk).update(**before)
        return done

    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "DISPATCH": f"{__name__}.no_queue"}
    assert why() == ""
    assert "on its way" in why(message_status="queued")
    assert "status is “delivered”" in why(message_status="delivered")
    assert "Two messages" in why(message_status="failed", messages=attempts.MESSAGES_PER_ATTEMPT)
    VerificationAttempt.objects.update(messages=0)
    assert why() == ""
    Verification.objects.update(service=None)
    assert "service was deleted" in why()
    Verification.objects.filter(pk=row.pk).update(status="canceled")
    assert "is over" in why()


def test_how_long_something_took():
    assert story.duration(-1) == "0 seconds"
    assert story.duration(1.2) == "1 second"
    assert story.duration(3700) == "1\xa0hour, 1\xa0minute"


def test_the_cause_is_told_in_the_words_of_the_delivery(service, settings, monkeypatch):
    use(settings, carrier="Refusing")
    why = SimpleNamespace(label="Dead", sentence="The number is dead.", deed="Ask for another.")
    monkeypatch.setattr(delivery, "explain", lambda attempt: why, raising=False)
    row = verifications.start(service, PHONE)
    found = told(row)
    assert found.outcome.text == "It was not sent. The number is dead."
    assert found.outcome.deed == "Ask for another. Then send it again."
    assert story.cause(last_attempt()) == ("Dead", "The number is dead. Ask for another.")
    VerificationAttempt.objects.update(message_status="delivered")
    assert story.cause(last_attempt()) == ("", "")
