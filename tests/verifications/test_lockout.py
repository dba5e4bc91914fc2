"""The table of `docs/lockout.md`: who can use up what, for whom, and for how long, by every face."""

import re
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from django.utils import timezone

from django_verify import conf, exceptions, verifications
from django_verify.models import Verification, VerificationAttempt, VerifyService
from django_verify.verifications import clients, devices
from django_verify.verifications.clients import Caller
from tests.conftest import PHONE, Api, make_account, make_pair, make_service, wrong
from tests.mobile.test_views import App
from tests.web.conftest import Visitor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]

DAY = 86_400
#: 2 × 10⁻⁵ and 10⁻⁴, as whole numbers of 10⁻¹⁰.
A_DAY, SINCE_APPROVAL = 200_000, 1_000_000


class Refused(Exception):
    """What a face answers in place of a code; `seconds` until it may be tried again."""

    def __init__(self, seconds):
        self.seconds = seconds


class Started:
    """A verification that a face has started; `check` returns whether a code was right."""

    def __init__(self, outbox, check):
        self.check = check
        self.code = outbox[-1].code
        row = VerificationAttempt.objects.get(sid=outbox[-1].attempt_sid).verification
        self.code_length, self.guesses = row.code_length, row.max_checks

    @property
    def offer(self):
        return self.code_length, self.guesses

    def burn(self):
        """Try as many wrong codes as there are guesses."""
        for number in range(1, self.guesses + 1):
            assert not self.check(wrong(self.code, number))

    def approve(self):
        assert self.check(self.code)


class Site:
    """One service behind its four faces; every client has a client IP of its own."""

    def __init__(self, service, outbox, api):
        self.service, self.outbox, self.api, self.callers = service, outbox, api, 0

    def _ip(self):
        self.callers += 1
        return f"198.51.{self.callers // 200}.{self.callers % 200 + 1}"

    def v2(self, to=PHONE):
        root = f"Services/{self.service.sid}"
        answer = self.api.post(f"{root}/Verifications", {"To": to, "Channel": "sms"})
        if answer.status == 429:
            raise Refused(int(answer.headers.get("Retry-After", 0)))
        assert answer.status == 201
        form = {"VerificationSid": answer.data["sid"]}

        def check(code):
            found = self.api.post(f"{root}/VerificationCheck", {**form, "Code": code})
            return found.data["status"] == "approved"

        return Started(self.outbox, check)

    def python(self, to=PHONE):
        try:
            row = verifications.start(self.service, to)
        except exceptions.VerifyError as error:
            raise Refused(error.retry_after) from None

        def check(code):
            return verifications.check(self.service, code, verification_sid=row.sid).valid

        return Started(self.outbox, check)

    def clients(self, to=PHONE, device_token=""):
        caller = Caller(ip=self._ip(), device_token=device_token)
        try:
            state = clients.start(self.service, to, caller=caller)
        except exceptions.VerifyError as error:
            raise Refused(error.retry_after) from None

        def check(code):
            found = clients.check(state.sid, state.secret, code, caller=caller)
            self.token = found.device_token
            return found.valid

        return Started(self.outbox, check)

    def mobile(self, to=PHONE, device_token=""):
        app = App(self._ip())
        answer = app.start(to, **({"device_token": device_token} if device_token else {}))
        if answer.status == 429:
            raise Refused(answer.data.get("retry_after"))

        def check(code):
            found = app.check(answer, code).data
            self.token = found.get("device_token")
            return found.get("valid", False)

        return Started(self.outbox, check)

    def web(self, to=PHONE, device_token=""):
        visitor = Visitor(REMOTE_ADDR=self._ip())
        if device_token:
            visitor.client.cookies["verify_device_token"] = device_token
        page = visitor.start(to)
        if page.url == "/":
            raise Refused(page.alerts)

        def check(code):
            heading = visitor.check(code).heading
            kept = visitor.client.cookies.get("verify_device_token")
            self.token = kept.value if kept else ""
            return heading == "Your number is verified"

        return Started(self.outbox, check)


BACKENDS, CLIENTS = ("v2", "python"), ("clients", "mobile", "web")
# What is counted is the same by each face, on each database: there the first of them stands for all.
again = partial(pytest.param, marks=pytest.mark.once)
by_client = pytest.mark.parametrize("client", [CLIENTS[0], *map(again, CLIENTS[1:])])
by_both = pytest.mark.parametrize(
    ("backend", "client"),
    [("v2", "clients"), again("python", "mobile"), again("v2", "web"), again("python", "clients")],
)


@pytest.fixture
def site(account, outbox, api):
    return Site(make_service(account, client_enabled=True), outbox, api)


@pytest.fixture
def unlimited(settings):
    """No limit of sends, so that the budget stands alone."""
    limits = {name: [] for name in conf.CLIENT_LIMITS}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_LIMITS": limits}


def attack(face, bulk=None, most=500):
    """Start and guess wrong until refused; return the offers. The bulk goes by another face."""
    offers = []
    with suppress(Refused):
        for number in range(most):
            started = (face if number < 3 or bulk is None else bulk)()
            offers.append(started.offer)
            started.burn()
    return offers


def charged(*rows):
    """The probability of all wrong guesses at codes of six and more digits, in 10⁻¹⁰."""
    return sum(
        (row.checks - row.confirmed) * 10 ** (10 - row.code_length)
        for row in rows or Verification.objects.all()
        if row.code_length >= 6
    )


def by_clients():
    return charged(*Verification.objects.exclude(client=""))


@by_client
def test_the_reported_attack(site, client, clock, outbox):
    """Six anonymous starts and twenty wrong codes shut every face for a day; now they shut none."""
    face = getattr(site, client)
    for _ in range(6):
        with suppress(Refused):
            face().burn()
    clock.shift(600)  # the limit of sends in ten minutes
    for name in CLIENTS:
        victim = getattr(site, name)()
        assert victim.guesses == 5
        assert victim.code_length in {8, 10}
        clock.shift(600)
    for name in BACKENDS:
        assert getattr(site, name)().guesses >= 3
        verifications.cancel(site.service, PHONE)
    site.v2().approve()


@by_both
def test_strangers_that_guess_leave_backends_their_half(site, client, backend, unlimited):
    offers = attack(getattr(site, client), site.clients, most=24)
    assert [length for length, _ in offers[:2]] == [6, 8]
    assert {length for length, _ in offers} == {6, 8, 10}
    assert [length for length, _ in offers] == sorted(length for length, _ in offers)
    assert by_clients() <= A_DAY // 2
    offers = attack(getattr(site, backend), most=1)
    assert offers[0] == (6, 5)
    assert charged() <= A_DAY


@by_both
@pytest.mark.parametrize("length", range(4, 11))
def test_strangers_that_only_start_leave_backends_three(
    account, api, outbox, client, backend, length, unlimited
):
    site = Site(make_service(account, client_enabled=True, code_length=length), outbox, api)
    for _ in range(5):
        getattr(site, client)()
    victim = getattr(site, backend)()
    assert victim.code_length == length
    assert victim.guesses >= 3


@by_client
def test_a_stranger_is_approved_behind_strangers(site, client, unlimited):
    """Wrong guesses cost digits; thirty verifications of them do not cost the door."""
    attack(site.clients, most=30)
    victim = getattr(site, client)()
    assert victim.offer == (10, 5)
    victim.approve()
    assert charged() <= A_DAY


@by_client
def test_sends_are_strangers_own(site, client, clock):
    """Ten messages use up the sends of strangers until midnight, and nobody else's."""
    site.mobile().approve()
    token, started = site.token, 1
    for _ in range(20):
        clock.shift(601)
        with suppress(Refused):
            site.mobile()
            started += 1
    assert started == 10
    with pytest.raises(Refused) as caught:
        getattr(site, client)()
    assert caught.value.seconds
    for name in BACKENDS:
        getattr(site, name)()
        verifications.cancel(site.service, PHONE)
    getattr(site, client)(device_token=token).approve()
    clock.shift(DAY - timezone.now().timestamp() % DAY)
    getattr(site, client)().approve()


@by_client
def test_a_known_device_keeps_its_share(site, client, unlimited, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "RECIPIENT_STARTS_PER_DAY": 80}
    getattr(site, client)().approve()
    token = site.token
    offers = attack(site.clients)
    assert offers[-1] == (10, 5)
    assert len(offers) == conf.current().RECIPIENT_STARTS_PER_DAY // 4 - 1
    victim = getattr(site, client)(device_token=token)
    assert victim.code_length == 6
    assert victim.guesses >= 3
    victim.approve()
    assert by_clients() <= A_DAY // 2


@by_client
def test_who_has_a_token_takes_no_more_than_that_share(site, client, unlimited):
    """One that is stolen costs strangers digits, and backends nothing of their half."""
    getattr(site, client)().approve()
    token = site.token
    face = getattr(site, client)
    offers = attack(
        lambda: face(device_token=token), lambda: site.clients(device_token=token), most=24
    )
    assert {length for length, _ in offers} == {6, 8, 10}
    assert by_clients() <= A_DAY // 2
    assert site.v2().offer == (6, 5)
    assert face().guesses == 5
    assert charged() <= A_DAY


@by_both
def test_a_backend_that_guesses_shuts_itself_for_a_day(site, backend, client, clock, unlimited):
    """The wrong codes of its own callers; the clients' door stays open."""
    face = getattr(site, backend)

    def burn():
        started = face()
        started.burn()
        verifications.cancel(site.service, PHONE)
        return started.offer

    assert [burn() for _ in range(4)] == [(6, 5), (6, 5), (6, 5), (6, 4)]
    with pytest.raises(Refused) as caught:
        burn()
    victim = getattr(site, client)()
    assert victim.offer[0] in {8, 10}
    assert victim.guesses == 5
    victim.burn()
    assert charged() <= A_DAY
    assert 0 < caught.value.seconds <= DAY + 600
    clock.shift(caught.value.seconds)
    assert face().offer == (6, 5)


@by_both
def test_a_backend_that_only_starts_is_refused_until_those_expire(
    site, backend, client, clock, unlimited, account, api, outbox
):
    for _ in range(4):
        getattr(Site(make_service(account), outbox, api), backend)()
    with pytest.raises(Refused) as caught:
        getattr(site, backend)()
    assert 0 < caught.value.seconds <= 600
    victim = getattr(site, client)()
    assert (victim.code_length in {8, 10}, victim.guesses) == (True, 5)
    clock.shift(caught.value.seconds)
    assert getattr(site, backend)().offer == (6, 5)


@by_both
def test_a_backend_s_starts_are_counted_apart(site, backend, client, clock, settings):
    values = {**settings.DJANGO_VERIFY, "RECIPIENT_STARTS_PER_DAY": 8}
    settings.DJANGO_VERIFY = values
    for _ in range(8):
        getattr(site, backend)()
        verifications.cancel(site.service, PHONE)
    with pytest.raises(Refused) as caught:
        getattr(site, backend)()
    assert 0 < caught.value.seconds <= DAY + 600
    assert getattr(site, client)().offer == (6, 5)
    clock.shift(caught.value.seconds)
    assert getattr(site, backend)().offer == (6, 5)


def test_no_state_needs_an_operator(site, clock, unlimited):
    """Two weeks of all that every caller may try, with no approval in between."""
    lengths = []
    for _ in range(14):
        for face in (site.clients, site.clients, site.python, site.python):
            with suppress(Refused):
                started = face()
                started.burn()
            with suppress(exceptions.NotFound):
                verifications.cancel(site.service, PHONE)
        lengths.append(started.code_length)
        clock.shift(DAY + 600)
    assert charged() <= SINCE_APPROVAL
    assert by_clients() <= SINCE_APPROVAL // 2
    # Not even a backend's own wrong codes have the last word: its codes get longer in the end.
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1]) == (6, 8)
    site.v2().approve()
    for name in BACKENDS:
        assert getattr(site, name)().offer == (6, 5)
        verifications.cancel(site.service, PHONE)
    for name in CLIENTS:
        assert getattr(site, name)().guesses == 5


def test_strangers_alone_never_lengthen_a_backend_s_code(site, clock, unlimited):
    for _ in range(14):
        attack(site.clients, most=3)
        clock.shift(DAY + 600)
    assert site.clients().code_length > 6
    assert site.v2().offer == (6, 5)
    assert by_clients() <= SINCE_APPROVAL // 2


@pytest.mark.parametrize("length", [4, 5])
@by_both
def test_short_codes_keep_five_guesses_a_day(
    account, api, outbox, clock, unlimited, client, backend, length
):
    """The operator's exception: five at that length, two of them strangers', then more digits."""
    site = Site(make_service(account, client_enabled=True, code_length=length), outbox, api)
    offers = attack(getattr(site, client), most=4)
    assert offers == [(length, 2), (8, 5), (8, 5), (8, 5)]
    assert attack(getattr(site, backend)) == [(length, 3)]
    verifications.cancel(site.service, PHONE)
    with pytest.raises(Refused) as caught:
        getattr(site, backend)()
    short = Verification.objects.filter(code_length=length)
    assert sum(row.checks for row in short) == 5
    getattr(site, client)().approve()
    clock.shift(caught.value.seconds)
    assert getattr(site, backend)().code_length == length


def test_a_test_number_keeps_its_code(site, settings):
    """It cannot get longer; apps that start it side by side leave each other some guesses."""
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "TEST_NUMBERS": True}
    make_pair(site.service, PHONE, "4829")
    states = [
        clients.start(site.service, PHONE, caller=Caller(ip=f"192.0.2.{number}"))
        for number in range(3)
    ]
    assert [(state.code_length, state.checks_left) for state in states] == [(4, 3), (4, 1), (4, 1)]
    with pytest.raises(exceptions.MaxSendsReached) as caught:
        clients.start(site.service, PHONE, caller=Caller(ip="192.0.2.9"))
    assert 0 < caught.value.retry_after <= 600


def test_without_known_devices_strangers_have_their_share(site, settings, unlimited):
    assert [site.clients().offer for _ in range(2)] == [(6, 5), (8, 5)]
    Verification.objects.all().delete()
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KNOWN_DEVICE_DAYS": 0}
    assert [site.clients().offer for _ in range(3)] == [(6, 5), (6, 4), (8, 5)]


@by_client
def test_a_stranger_learns_nothing_of_a_recipient_s_past(site, client, unlimited, clock):
    """Neither lengths nor guesses report who was approved, by whom, or has a known device."""
    numbers = [f"+1415555267{n}" for n in range(5)]
    site.v2(numbers[1]).approve()
    site.clients(numbers[2]).approve()
    site.clients(numbers[3]).approve()
    site.clients(numbers[3], device_token=site.token).approve()
    site.clients(numbers[4]).approve()
    devices.forget(Verification.objects.get(to=numbers[4]))
    face = getattr(site, client)
    unknown, *others = [[face(to).offer for _ in range(4)] for to in numbers]
    assert unknown == [(6, 5), (8, 5), (8, 5), (8, 5)]
    assert others == [unknown] * 4


@by_client
def test_a_backend_s_service_beside_the_clients_leaves_them_the_door(site, client, unlimited):
    """A host reads its service as it likes: other services of the account may serve clients."""
    site.service.has_clients = True
    host = VerifyService.objects.get(sid=make_service(site.service.account).sid)
    used = 0
    with suppress(exceptions.MaxSendsReached):
        while True:
            row = verifications.start(host, PHONE)
            for number in range(row.max_checks):
                verifications.check(host, f"{number:06d}", verification_sid=row.sid)
            used += row.max_checks
            verifications.cancel(host, row.sid)
    assert used == 19
    assert getattr(site, client)().guesses == 5
    assert charged() <= A_DAY


@pytest.mark.parametrize("lifetime", [600, 7200, 86_400])
def test_a_long_lifetime_counts_behind_many_short_ones(account, clock, unlimited, lifetime):
    """What began before twenty others may be guessed at last."""
    long = make_service(account, lifetime=lifetime)
    quick = make_service(account, lifetime=120)
    row = verifications.start(long, PHONE)
    for _ in range(25):
        clock.shift(5)
        verifications.start(quick, PHONE)
        verifications.cancel(quick, PHONE)
    clock.shift(lifetime - 126)
    for number in range(5):
        verifications.check(long, f"{number:06d}", verification_sid=row.sid)
    clock.shift(DAY - lifetime + 200 if lifetime == DAY else 0)
    guesses = 0
    with suppress(exceptions.VerifyError):
        while True:
            another = make_service(account)
            guesses += verifications.start(another, PHONE).max_checks
    assert guesses == 15


def test_other_services_and_spellings_share_the_budget(account, api, outbox, unlimited):
    services = [make_service(account, client_enabled=True, code_length=n) for n in (6, 7, 8)]
    for service in services:
        site = Site(service, outbox, api)
        attack(lambda s=site: s.clients("+5215512345678"), most=4)
        attack(lambda s=site: s.python("+525512345678"), most=4)
    assert charged() <= A_DAY
    assert by_clients() <= A_DAY // 2


def test_an_account_s_budget_is_its_own(site, unlimited, outbox):
    attack(site.clients, most=3)
    other = make_account()
    service = make_service(other, client_enabled=True)
    assert Site(service, outbox, Api(other.sid, other.token)).clients().offer == (6, 5)


@by_client
def test_nist_to_the_letter_shuts_the_door(site, client, clock, settings, unlimited):
    """What `MAX_CONSECUTIVE_FAILURES` costs: strangers shut everybody out, until a release."""
    values = {**settings.DJANGO_VERIFY, "MAX_CONSECUTIVE_FAILURES": 40}
    settings.DJANGO_VERIFY = values
    attack(getattr(site, client), site.clients)
    assert sum(row.checks for row in Verification.objects.all()) == 40
    clock.shift(400 * DAY)
    for name in (*BACKENDS, *CLIENTS):
        with pytest.raises(Refused):
            getattr(site, name)()
    verifications.release(Verification.objects.first())
    assert site.v2().offer == (6, 5)


def test_the_table_names_every_limit():
    page = (Path(__file__).parents[2] / "docs/lockout.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|")]
    named = set(re.findall(r"`(\w+)`", "\n".join(rows)))
    assert set(conf.CLIENT_LIMITS) <= named
