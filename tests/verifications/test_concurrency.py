"""The laws of the check and the start under aligned parallel requests, over the wire.

Each thread has a warm connection of its own and waits at a barrier; a plain burst would pass
broken code. Every round starts afresh, and the worst one is asserted on.
"""

import pytest
from django.conf import settings as site_settings
from django.db import connections
from django.test import override_settings

from django_verify import conf, exceptions, signals, verifications
from django_verify.crypto import codes
from django_verify.models import Verification, VerificationAttempt
from django_verify.verifications import clients
from django_verify.verifications.clients import Caller
from tests.conftest import (
    OTHER_PHONE,
    PHONE,
    ROUNDS,
    THREADS,
    Api,
    code_in,
    make_account,
    make_service,
    wrong,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[False, True], ids=["autocommit", "atomic_requests"])
def atomic_requests(request):
    options = connections.settings["default"]
    before = options["ATOMIC_REQUESTS"]
    options["ATOMIC_REQUESTS"] = request.param
    yield request.param
    options["ATOMIC_REQUESTS"] = before


# The host's transactions change nothing in what these count, and are the harder case.
in_transactions = pytest.mark.parametrize("atomic_requests", [True], indirect=True)


@pytest.fixture
def compared(monkeypatch):
    """Every comparison of a code, as a list that grows."""
    seen = []
    real = codes.matches

    def counting(expected, given):
        seen.append(given)
        return real(expected, given)

    monkeypatch.setattr(codes, "matches", counting)
    return seen


@pytest.fixture
def account_api(atomic_requests):
    account = make_account()
    return account, [Api(account.sid, account.token) for _ in range(THREADS)]


def test_fifty_wrong_guesses_compare_five(account_api, outbox, compared, aligned):
    account, apis = account_api
    for _ in range(ROUNDS):
        service = make_service(account)
        row = verifications.start(service, PHONE)
        code = code_in(outbox[-1])
        compared.clear()
        path = f"Services/{service.sid}/VerificationCheck"
        answers = aligned(
            [
                lambda api=api, n=n: api.post(path, {"To": PHONE, "Code": wrong(code, n + 1)})
                for n, api in enumerate(apis)
            ]
        )
        assert len(compared) == 5
        assert sorted(a.status for a in answers) == [200] * 5 + [429] * 45
        assert {a.data["code"] for a in answers if a.status == 429} == {60202}
        assert Verification.objects.get(sid=row.sid).status == "max_attempts_reached"
        verifications.cancel(service, row.sid)
        # Another round may compare five more only because this one's guesses are forgotten.
        Verification.objects.all().delete()


def test_fifty_right_guesses_approve_once(account_api, outbox, compared, aligned):
    account, apis = account_api
    heard = []

    def receiver(verification, **kwargs):
        heard.append(verification.sid)

    signals.verification_approved.connect(receiver)
    try:
        for _ in range(ROUNDS):
            service = make_service(account)
            row = verifications.start(service, PHONE)
            code = code_in(outbox[-1])
            compared.clear()
            heard.clear()
            path = f"Services/{service.sid}/VerificationCheck"
            form = {"VerificationSid": row.sid, "Code": code}
            answers = aligned([lambda api=api: api.post(path, form) for api in apis])
            statuses = [a.data["status"] for a in answers]
            assert statuses.count("approved") == 1
            assert heard == [row.sid]
            assert len(compared) <= 5
            assert {a.status for a in answers} <= {200, 404, 429}
            assert Verification.objects.get(sid=row.sid).status == "approved"
    finally:
        signals.verification_approved.disconnect(receiver)


def test_fifty_starts_send_once(account_api, outbox, aligned):
    account, apis = account_api
    for _ in range(ROUNDS):
        service = make_service(account)
        outbox.clear()
        path = f"Services/{service.sid}/Verifications"
        form = {"To": PHONE, "Channel": "sms"}
        answers = aligned([lambda api=api: api.post(path, form) for api in apis])
        created = [a for a in answers if a.status == 201]
        refused = {a.data["code"] for a in answers if a.status != 201}
        rows = Verification.objects.filter(service=service)
        sends = rows.get().sends
        # A thread that the machine held back past the others' commit is a resend of its own.
        assert len(created) == len(outbox) == sends <= 5
        assert VerificationAttempt.objects.filter(verification__service=service).count() == sends
        assert refused <= {60212, 60203}
        Verification.objects.all().delete()


@in_transactions
def test_starts_of_many_services_share_the_reserve(account_api, aligned):
    account, apis = account_api
    for _ in range(ROUNDS):
        services = [make_service(account) for _ in range(THREADS)]
        answers = aligned(
            [
                lambda api=api, service=service: api.post(
                    f"Services/{service.sid}/Verifications", {"To": OTHER_PHONE, "Channel": "sms"}
                )
                for api, service in zip(apis, services, strict=True)
            ]
        )
        rows = Verification.objects.filter(service__in=services)
        assert sum(row.max_checks for row in rows) <= 20
        assert len([a for a in answers if a.status == 201]) == rows.count()
        assert {a.data["code"] for a in answers if a.status != 201} <= {60203, 60212}
        Verification.objects.all().delete()


@in_transactions
def test_starts_guesses_and_cancels_in_parallel(account_api, outbox, compared, aligned):
    """Fifty attackers start, guess and cancel on one number through four services."""
    account, apis = account_api
    services = [make_service(account) for _ in range(4)]

    def attack(api, number):
        root = f"Services/{services[number % 4].sid}"
        for turn in range(3):
            started = api.post(f"{root}/Verifications", {"To": PHONE, "Channel": "sms"})
            for guess in range(4):
                form = {"To": PHONE, "Code": f"{number:02d}{turn}{guess}zz"}
                assert api.post(f"{root}/VerificationCheck", form).status in {200, 404, 429}
            if started.status == 201:
                path = f"{root}/Verifications/{started.data['sid']}"
                api.post(path, {"Status": "canceled"})

    aligned([lambda api=api, n=n: attack(api, n) for n, api in enumerate(apis)])
    assert 5 <= len(compared) <= 20
    assert sum(Verification.objects.values_list("checks", flat=True)) == len(compared)


@in_transactions
def test_the_bounds_hold_across_faces_services_and_lengths(account_api, outbox, compared, aligned):
    """Backends, strangers and known devices start and guess at one moment, at codes of all lengths."""
    account, apis = account_api
    limits = {name: [] for name in conf.CLIENT_LIMITS}
    services = [
        make_service(account, client_enabled=True, code_length=length) for length in range(4, 11)
    ]
    with override_settings(DJANGO_VERIFY={**site_settings.DJANGO_VERIFY, "CLIENT_LIMITS": limits}):
        tokens = []
        for number, service in enumerate(services):
            caller = Caller(ip=f"192.0.2.{number}")
            state = clients.start(service, PHONE, caller=caller)
            found = clients.check(state.sid, state.secret, outbox[-1].code, caller=caller)
            tokens.append(found.device_token)
        compared.clear()

        def by_api(api, service, number):
            root = f"Services/{service.sid}"
            started = api.post(f"{root}/Verifications", {"To": PHONE, "Channel": "sms"})
            assert started.status in {201, 429}
            for guess in range(6):
                form = {"To": PHONE, "Code": f"{number:02d}{guess}zz"}
                assert api.post(f"{root}/VerificationCheck", form).status in {200, 404, 429}

        def by_client(service, number, token):
            caller = Caller(ip=f"198.51.100.{number}", device_token=token)
            for turn in range(2):
                try:
                    state = clients.start(service, PHONE, caller=caller)
                    for guess in range(6):
                        code = f"{number:02d}{turn}{guess}".ljust(state.code_length, "7")
                        clients.check(state.sid, state.secret, code, caller=caller)
                except exceptions.VerifyError as error:
                    assert error.code in {60202, 60203, 60212}, error

        def attack(api, number):
            service = services[number % 7]
            if number % 3 == 0:
                return by_api(api, service, number)
            return by_client(service, number, tokens[number % 7] if number % 3 == 1 else "")

        aligned([lambda api=api, n=n: attack(api, n) for n, api in enumerate(apis)])
    rows = list(Verification.objects.all())
    guesses = [(row, row.checks - row.confirmed) for row in rows]
    assert sum(count for _, count in guesses) == len(compared) >= 20
    assert all(row.checks <= row.max_checks for row in rows)
    costs = {row.sid: 10 ** (10 - row.code_length) * count for row, count in guesses}
    common = [row for row in rows if row.code_length >= 6]
    assert sum(costs[row.sid] for row in common) <= 200_000
    by_clients = [row for row in common if row.client]
    assert sum(costs[row.sid] for row in by_clients) <= 100_000
    assert sum(costs[row.sid] for row in by_clients if not row.recognized) <= 55_000
    assert sum(count for row, count in guesses if row.code_length < 6) <= 5
    assert sum(count for row, count in guesses if row.code_length < 6 and row.client) <= 2


@in_transactions
@pytest.mark.parametrize(("length", "most"), [(4, 5), (6, 20)])
def test_codes_that_are_shortened_at_one_moment_share_the_reserve(
    account_api, aligned, length, most
):
    """A resend with another code of the caller's own may make guesses dearer, as a start does."""
    account, apis = account_api
    services = [make_service(account, custom_code_enabled=True) for _ in range(THREADS)]
    for service in services:
        verifications.start(service, PHONE, custom_code="9876543210")

    def shorten(api, service):
        form = {"To": PHONE, "Channel": "sms", "CustomCode": "9" * length}
        return api.post(f"Services/{service.sid}/Verifications", form).status

    answers = aligned(
        [
            lambda a=api, s=service: shorten(a, s)
            for api, service in zip(apis, services, strict=True)
        ]
    )
    assert set(answers) <= {201, 429}
    assert 201 in answers
    rows = Verification.objects.filter(code_length=length)
    assert 0 < sum(row.max_checks for row in rows) <= most


@in_transactions
def test_aligned_strangers_leave_a_backend_its_guesses(account_api, aligned, settings):
    account, _ = account_api
    limits = {name: [] for name in conf.CLIENT_LIMITS}
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "CLIENT_LIMITS": limits}
    for length in (4, 6, 8):
        service = make_service(account, client_enabled=True, code_length=length)

        def stranger(number, service=service):
            try:
                clients.start(service, PHONE, caller=Caller(ip=f"198.51.100.{number}"))
            except exceptions.ConcurrentStarts:
                return

        aligned([lambda n=n: stranger(n) for n in range(THREADS)])
        assert Verification.objects.exclude(client="").exists()
        row = verifications.start(service, PHONE)
        assert row.code_length == length
        assert row.max_checks >= 3
        Verification.objects.all().delete()
