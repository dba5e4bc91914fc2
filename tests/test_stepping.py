"""The way of a start and of a check is short: few frames, functions and files to step through."""

import pytest
from django.db import connection

from tests.conftest import PHONE
from tests.stepping import start_and_check

# In no transaction of the test's, because a start sends after its commit.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

# Functions and files. Where PostgreSQL takes one statement, others need a transaction around a
# start, and a look before the charge of a guess.
START, CHECK = ((151, 33), (75, 22)) if connection.vendor == "postgresql" else ((152, 34), (84, 23))


def test_what_a_reader_steps_through(api, service):
    start, check = start_and_check(api, service, PHONE)
    assert start.frames == [
        "LeanCreate._make",
        "VerificationViewSet.perform_create",
        "start",
        "deliver",
        "LocmemSender.send",
    ]
    for steps, (functions, files) in ((start, START), (check, CHECK)):
        assert len(steps.functions) <= functions, str(steps)
        assert len(steps.files) <= files, str(steps)
