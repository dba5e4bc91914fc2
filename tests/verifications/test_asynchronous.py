"""The verbs for asynchronous code: the guarantees, errors and context of those that they run."""

import asyncio
import contextvars
import inspect
import threading

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.db import connections, transaction
from django.http import JsonResponse
from django.test import AsyncClient
from django.urls import path

from django_verify import exceptions, signals, verifications
from django_verify.crypto import codes
from django_verify.db.autocommit import AtomicBlockError
from django_verify.models import Verification, VerifyService
from django_verify.verifications import store
from tests.conftest import PHONE, code_in, make_service, wrong
from tests.error_reports.pages import assert_nothing_shown

pytestmark = pytest.mark.django_db(transaction=True)

CHECKS = 20
asked_by = contextvars.ContextVar("asked_by", default="nobody")


@pytest.fixture
def compared(monkeypatch):
    """Every comparison of a code, as a list that grows."""
    seen = []
    real = codes.matches
    monkeypatch.setattr(codes, "matches", lambda *both: seen.append(both) or real(*both))
    return seen


@async_to_sync
async def gather(calls):
    """What the calls come to, each in the thread of a request of its own, as under ASGI."""

    async def request(call):
        async with ThreadSensitiveContext():
            try:
                return await call()
            except exceptions.VerifyError as error:
                return error
            finally:
                await sync_to_async(connections.close_all)()

    return await asyncio.gather(*map(request, calls))


def test_twenty_wrong_checks_at_once_compare_five(service, outbox, compared):
    row = verifications.start(service, PHONE)
    code = code_in(outbox[-1])
    found = gather(
        [
            lambda n=n: verifications.acheck(service, wrong(code, n + 1), to=PHONE)
            for n in range(CHECKS)
        ]
    )
    assert len(compared) == 5
    assert sum(isinstance(each, Verification) for each in found) == 5
    assert sum(isinstance(each, exceptions.MaxChecksReached) for each in found) == CHECKS - 5
    assert Verification.objects.get(sid=row.sid).status == "max_attempts_reached"


def test_twenty_right_checks_at_once_approve_once(service, outbox, compared):
    row = verifications.start(service, PHONE)
    code, heard = code_in(outbox[-1]), []

    def receiver(verification, **kwargs):
        heard.append(verification.sid)

    signals.verification_approved.connect(receiver)
    try:
        found = gather(
            [lambda: verifications.acheck(service, code, verification_sid=row.sid)] * CHECKS
        )
    finally:
        signals.verification_approved.disconnect(receiver)
    assert [getattr(each, "status", "") for each in found].count("approved") == 1
    assert heard == [row.sid]
    assert len(compared) <= 5


async def view(request):
    service = await VerifyService.objects.aget()
    asked_by.set("a visitor")
    started = await verifications.astart(service, PHONE, "sms", locale="de")
    fetched = await verifications.afetch(service, started.sid)
    return JsonResponse({"sid": started.sid, "fetched": fetched.sid})


urlpatterns = [path("", view)]


def test_a_view_of_asgi_starts_and_fetches(service, outbox, settings):
    settings.ROOT_URLCONF = __name__
    heard = []

    def receiver(**kwargs):
        heard.append(asked_by.get())

    signals.verification_started.connect(receiver)
    try:
        answer = async_to_sync(AsyncClient().get)("/").json()
    finally:
        signals.verification_started.disconnect(receiver)
    assert answer["sid"] == answer["fetched"] == Verification.objects.get().sid
    assert heard == ["a visitor"]
    assert outbox[-1].locale == "de"


def test_the_other_verbs(service, outbox):
    @async_to_sync
    async def run():
        first = await verifications.astart(service, PHONE)
        canceled = await verifications.acancel(service, first.sid)
        second = await verifications.astart(service, PHONE)
        approved = await verifications.aapprove(service, PHONE)
        return first, canceled, second, approved

    first, canceled, second, approved = run()
    assert (canceled.sid, canceled.status) == (first.sid, "canceled")
    assert (approved.sid, approved.status) == (second.sid, "approved")


def test_errors_are_those_of_the_verbs(service):
    with pytest.raises(exceptions.NotFound):
        async_to_sync(verifications.acheck)(service, "123456", to=PHONE)
    with pytest.raises(exceptions.InvalidParameter):
        async_to_sync(verifications.astart)(service, "no number")


def test_no_check_within_a_transaction(service, outbox):
    verifications.start(service, PHONE)
    with transaction.atomic(), pytest.raises(AtomicBlockError):
        async_to_sync(verifications.acheck)(service, code_in(outbox[-1]), to=PHONE)


def test_two_services_in_one_request(account, outbox):
    """Without a context of their own the calls of one task take turns, and none is lost."""
    services = [make_service(account), make_service(account)]

    @async_to_sync
    async def run():
        return await asyncio.gather(*(verifications.astart(each, PHONE) for each in services))

    assert len({row.sid for row in run()}) == 2


@pytest.mark.parametrize("verb", ["start", "check"])
def test_an_error_report_shows_no_code(account, outbox, monkeypatch, verb):
    """Not in the frames of the library either that goes to another thread."""
    service = make_service(account, custom_code_enabled=True)

    def boom(*args, **kwargs):
        raise ZeroDivisionError

    if verb == "check":
        verifications.start(service, PHONE, custom_code="Kq7Zp3Wv")
    monkeypatch.setattr(store, "write", boom)
    monkeypatch.setattr(codes, "matches", boom)

    async def run():
        if verb == "start":
            await verifications.astart(service, PHONE, custom_code="Kq7Zp3Wv")
        else:
            await verifications.acheck(service, "Kq7Zp3Wv", to=PHONE)

    with pytest.raises(ZeroDivisionError) as caught:
        async_to_sync(run)()
    assert_nothing_shown(caught.value, "Kq7Zp3Wv", PHONE)


def test_they_take_what_the_verbs_take():
    for name in ("start", "check", "fetch", "approve", "cancel"):
        verb, mine = getattr(verifications, name), getattr(verifications, f"a{name}")
        theirs = dict(inspect.signature(verb).parameters)
        theirs.pop("known", None)  # of the API alone
        assert dict(inspect.signature(mine).parameters) == theirs


def test_a_check_that_is_canceled_has_cost_its_guess(service, outbox, monkeypatch):
    """The caller has gone, such as one who hung up; what it began is finished."""
    row = verifications.start(service, PHONE)
    code, begun, may_end = code_in(outbox[-1]), threading.Event(), threading.Event()
    real = codes.matches

    def slow(*both):
        begun.set()
        assert may_end.wait(10)
        return real(*both)

    monkeypatch.setattr(codes, "matches", slow)

    @async_to_sync
    async def run():
        task = asyncio.create_task(verifications.acheck(service, wrong(code), to=PHONE))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        may_end.set()
        await asyncio.wait([task])

    run()
    row.refresh_from_db()
    assert (row.checks, row.status) == (1, "pending")
