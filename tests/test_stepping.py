"""The way of a start and of a check is short: few frames, functions and files to step through."""

import pytest

from tests.conftest import PHONE
from tests.stepping import start_and_check

# In no transaction of the test's, because a start sends after its commit.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]


def test_what_a_reader_steps_through(api, service):
    start, check = start_and_check(api, service, PHONE)
    assert start.frames == [
        "LeanCreate._make",
        "VerificationViewSet.perform_create",
        "start",
        "deliver",
        "LocmemSender.send",
    ]
    assert len(start.functions) <= 144, str(start)
    assert len(start.files) <= 32, str(start)
    assert len(check.functions) <= 82, str(check)
    assert len(check.files) <= 22, str(check)
