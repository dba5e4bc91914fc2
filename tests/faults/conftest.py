"""One provider and one set of processes for each file of the matrix, and what must hold in each cell."""

import itertools
from pathlib import Path

import pytest

from django_verify import verifications
from django_verify.exceptions import NotFound
from django_verify.models import VerificationAttempt
from tests.faults.processes import Site, eventually
from tests.faults.provider import Provider
from tests.faults.senders import configured


def pytest_collection_modifyitems(items):
    """On a busy machine a process may miss its moment: a cell that fails is tried once more."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="module")
def site(django_db_setup, tmp_path_factory):
    provider = Provider()
    site = Site(provider, tmp_path_factory.mktemp("faults"))
    yield site
    site.end()
    provider.close()


@pytest.fixture
def provider(transactional_db, site, settings):
    """The provider, as it is when nothing fails; this process is a web process of the site.

    Other processes are stopped when a cell begins, but for those that it starts.
    """
    settings.DJANGO_VERIFY = configured(site.provider)
    yield site.provider
    site.provider.forget()
    # Between two cells the tables are emptied, which must not meet a statement of a worker.
    site.pause()


@pytest.fixture(scope="session")
def phones():
    """Numbers, of which no two cells have the same one."""
    return (f"+1212234{line:04d}" for line in itertools.count())


@pytest.fixture
def brief(site):
    """`brief(process)` kills a process at the end of the cell, and returns it."""
    started = []
    yield lambda process: started.append(process) or process
    for process in started:
        process.kill()


@pytest.fixture
def only(site):
    """`only(process, …)` has these processes go on, and stops all others."""
    return site.only


def the_attempt(phone):
    return VerificationAttempt.objects.select_related("verification").get(verification__to=phone)


def ended(phone, *processes):
    """Wait until nothing is left to do for the number's one attempt, and return it."""

    def look():
        attempt = VerificationAttempt.objects.filter(verification__to=phone, due_at=None)
        return attempt.exclude(message_status="queued").first()

    return eventually(look, lambda: "\n".join(process.log for process in processes))


def holds(provider, service, attempt):
    """The promises that no fault may break; returns the aliases whose provider read a message.

    The row is honest, two messages at most carry one code, and the code approves once.
    """
    attempt.refresh_from_db()
    messages = provider.messages(attempt)
    assert len(messages) <= attempt.messages <= 2
    assert attempt.lease == ""
    assert len({code for _, code in messages}) == bool(messages)
    row = attempt.verification
    if attempt.message_status != "sent":
        assert attempt.message_status == "failed"
        assert attempt.error_message
    else:
        assert (attempt.error_code, attempt.error_message) == ("", "")
        assert attempt.sender == messages[-1][0]
        assert attempt.provider_sid
    if messages:
        code = messages[0][1]
        assert verifications.check(service, code, to=row.to).status == "approved"
        with pytest.raises(NotFound):
            verifications.check(service, code, to=row.to)
        row.refresh_from_db()
        assert (row.status, row.checks, row.confirmed) == ("approved", 1, True)
    return [alias for alias, _ in messages]
