"""pytest's fixtures. pytest loads this module in every project, so it imports nothing of Django.

`verify_service` and what builds on it use the database; with the others a test asks for it as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django_verify.models import VerifyService
    from django_verify.testing.clock import Clock
    from django_verify.testing.kit import Kit
    from django_verify.testing.recorder import Failures, Outbox
    from django_verify.testing.reports import Reports


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    text = "verify_service(**fields): fields of the service that the fixture verify_service makes"
    config.addinivalue_line("markers", text)


@pytest.fixture
def verify_kit() -> Iterator[Kit]:
    """All of the kit in one object, as `VerifyTestCase` has it."""
    with import_module("django_verify.testing.kit").Kit() as kit:
        yield kit


@pytest.fixture
def verify_outbox(verify_kit: Kit) -> Outbox:
    """The messages that were sent in this test, oldest first; empty at its start."""
    return verify_kit.outbox


@pytest.fixture
def verify_clock(verify_kit: Kit) -> Clock:
    """The clock of every verb: `verify_clock.shift(minutes=11)`."""
    return verify_kit.clock


@pytest.fixture
def verify_reports(verify_kit: Kit) -> Reports:
    """What the providers report: `verify_reports.undelivered("+14155552671")`."""
    return verify_kit.reports


@pytest.fixture
def verify_failures(verify_kit: Kit) -> Failures:
    """Faults of the providers: `verify_failures.unavailable(times=1)`."""
    return verify_kit.failures


@pytest.fixture
def verify_settings(verify_kit: Kit) -> Callable[..., None]:
    """Change keys of `DJANGO_VERIFY` for this test: `verify_settings(SHOW_FRAUD_BLOCKS=True)`."""
    return verify_kit.settings


@pytest.fixture
def verify_code(verify_kit: Kit) -> Callable[[str], str]:
    """The code that was last sent to a recipient: `verify_code("+14155552671")`."""
    return verify_kit.code


@pytest.fixture
def verify_service(verify_kit: Kit, db: None, request: pytest.FixtureRequest) -> VerifyService:
    """A service, open to apps and pages; the mark `verify_service(…)` names other fields."""
    mark = request.node.get_closest_marker("verify_service")
    return verify_kit.service(**(mark.kwargs if mark else {}))


@pytest.fixture
def _vendors_client_is_there() -> None:
    if find_spec("twilio") is None:
        pytest.skip("the vendor's client is not installed: pip install twilio")


@pytest.fixture
def twilio_client(_vendors_client_is_there: None, verify_kit: Kit, live_server: Any) -> Any:
    """The vendor's own client, as an account of the test, against a server of the site."""
    return verify_kit.twilio_client(live_server.url)
