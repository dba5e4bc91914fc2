"""One person, one key: a start by one spelling is checked and fetched by any other."""

import itertools

import pytest

from django_verify import exceptions, verifications
from django_verify.models import Verification
from tests.conftest import code_in, make_service

pytestmark = pytest.mark.django_db(transaction=True)

#: The spellings of one recipient, and today's of each.
SPELLINGS = [
    ("+5215512340001", "+525512340001"),
    ("+541123450001", "+541123450001"),
    ("+5491123450001", "+5491123450001"),
    ("+390549886377", "+390549886377"),
    ("+3780549886377", "+3780549886377"),
    ("+378886377", "+3780549886377"),
    ("+22997123456", "+2290197123456"),
    ("+22507123456", "+2250707123456"),
    ("+551191234567", "+5511991234567"),
    ("+972592234567", "+972592234567"),
    ("+37744123456", "+38344123456"),
]
PAIRS = [
    ("+5215512340001", "+525512340001"),
    ("+541123450001", "+5491123450001"),
    ("+390549886377", "+3780549886377"),
    ("+3780549886377", "+378886377"),
    ("+22997123456", "+2290197123456"),
    ("+22507123456", "+2250707123456"),
    ("+551191234567", "+5511991234567"),
    ("+972592234567", "+970592234567"),
]
MAIL = [("j.ane@gmail.com", "jane@googlemail.com"), ("jane@gmail.com", "JANE@gmail.com")]
BOTH = [*PAIRS, *MAIL]
EITHER = [(a, b) for pair in BOTH for a, b in itertools.permutations(pair)]


def channel_of(to):
    return "email" if "@" in to else "sms"


@pytest.fixture
def service():
    # San Marino's spellings are those of fixed lines.
    return make_service(allowed_number_types=["landline"])


@pytest.mark.parametrize(("to", "today"), SPELLINGS)
def test_the_answer_is_todays_spelling(service, outbox, to, today):
    assert verifications.start(service, to).to == today
    assert outbox[0].to == today


@pytest.mark.parametrize(("one", "other"), EITHER)
def test_a_check_and_a_fetch_take_either_spelling(service, outbox, one, other):
    row = verifications.start(service, one, channel_of(one))
    assert verifications.fetch(service, other).sid == row.sid
    code = code_in(outbox[0])
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert (
        verifications.check(service, wrong, to=other, verification_sid=row.sid).status == "pending"
    )
    assert verifications.check(service, code, to=other).status == "approved"


@pytest.mark.parametrize(("one", "other"), EITHER)
def test_a_start_by_the_other_spelling_sends_the_same_again(service, outbox, clock, one, other):
    first = verifications.start(service, one, channel_of(one))
    clock.shift(31)
    again = verifications.start(service, other, channel_of(other))
    assert (again.sid, again.sends) == (first.sid, 2)
    assert Verification.objects.count() == 1
    assert outbox[0].code == outbox[1].code


@pytest.mark.parametrize(("one", "other"), EITHER)
def test_an_end_takes_either_spelling(service, outbox, one, other):
    verifications.start(service, one, channel_of(one))
    assert verifications.cancel(service, other).status == "canceled"


def test_a_tag_is_another_destination_of_the_same_budget(service, outbox):
    verifications.start(service, "jane@gmail.com", "email")
    with pytest.raises(exceptions.NotFound):
        verifications.fetch(service, "jane+tag@gmail.com")
    assert (
        verifications.start(service, "ja.ne+tag@gmail.com", "email").recipient_key
        == "jane@gmail.com"
    )


TYPED = [
    ("+1 (415) 555-2671", "+14155552671"),
    (" \u202a+١ ٤١٥ ٥٥٥ ٢٦٧١\u202c\n", "+14155552671"),
    ("００１ー４１５ー５５５ー２６７１", "+14155552671"),
    ("+52 1 55 1234 0001", "+525512340001"),
    ("anna@example.com ", "anna@example.com"),
    ("\u200fａｎｎａ＠example.com\u200b", "anna@example.com"),
]


@pytest.mark.parametrize(("typed", "to"), TYPED, ids=ascii)
def test_every_verb_reads_a_recipient_as_people_type_it(service, outbox, typed, to):
    row = verifications.start(service, typed, channel_of(to))
    assert (row.to, verifications.fetch(service, typed).sid) == (to, row.sid)
    code = code_in(outbox[0])
    assert verifications.check(service, code, to=typed).status == "approved"
    row = verifications.start(service, typed, channel_of(to))
    assert verifications.cancel(service, typed).sid == row.sid
    row = verifications.start(service, typed, channel_of(to))
    assert verifications.approve(service, typed).sid == row.sid


@pytest.mark.parametrize(("typed", "to"), TYPED, ids=ascii)
def test_as_written_takes_a_recipient_as_it_is(service, outbox, typed, to):
    verifications.start(service, to, channel_of(to))
    code = code_in(outbox[0])
    for verb in (verifications.fetch, verifications.cancel, verifications.approve):
        with pytest.raises(exceptions.NotFound):
            verb(service, typed, as_written=True)
    with pytest.raises(exceptions.InvalidParameter):
        verifications.check(service, code, to=typed, as_written=True)
    request = verifications.StartRequest(to=typed, channel=channel_of(to))
    with pytest.raises(exceptions.InvalidParameter):
        verifications.start(service, request)


@pytest.mark.parametrize(
    "to", ["", "4155552671", "+1415555CODE", "+14155552671;ext=7", "a@b@c", "1" * 10**7, "@" * 400]
)
def test_what_is_no_recipient_is_refused(service, outbox, to):
    with pytest.raises(exceptions.InvalidParameter):
        verifications.start(service, to)
    with pytest.raises(exceptions.NotFound):
        verifications.fetch(service, to)
    assert not outbox


@pytest.mark.parametrize("written", ["{} {}", "{}-{}", "[{}{}]", "\u2068{}{}\u2069\n"])
def test_a_code_is_read_as_people_type_it(service, outbox, written):
    verifications.start(service, "+14155552671")
    code = code_in(outbox[0])
    spelled = written.format(code[:3], code[3:]).translate(str.maketrans("0123", "٠١٢٣"))
    assert verifications.check(service, spelled, to="+14155552671").status == "approved"


@pytest.mark.parametrize("code", ["12345", "1234567", "12345x", "1234 ²6", "一二三四五六"])
def test_what_cannot_be_the_code_costs_no_guess(service, outbox, code):
    row = verifications.start(service, "+14155552671")
    with pytest.raises(exceptions.InvalidParameter):
        verifications.check(service, code, to="+14155552671")
    assert Verification.objects.get(pk=row.sid).checks == 0


def test_what_is_accepted_as_written_is_compared_as_it_is(service, outbox):
    row = verifications.start(service, "+14155552671")
    code = code_in(outbox[0])
    spaced = f"{code[:3]} {code[3:]}"
    found = verifications.check(service, spaced, to="+14155552671", as_written=True)
    assert (found.status, Verification.objects.get(pk=row.sid).checks) == ("pending", 1)
