"""Operators of every rank, and a service whose messages can be made to fail."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_verify.admin import testmessages
from django_verify.senders import Sender, SendError
from django_verify.senders.causes import by_code

MEMORY = {"BACKEND": "django_verify.senders.locmem.LocmemSender"}


class BrokenSender(Sender):
    """Refuses every message."""

    channels = frozenset({"sms"})
    causes = by_code(not_mobile="21614")

    def send(self, message):
        raise SendError("the number is not in service", code="21614")


class MailOnlySender(Sender):
    channels = frozenset({"email"})


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """No page waits for a worker: in a test's transaction nothing is ever sent."""
    monkeypatch.setattr(testmessages, "PATIENCE", 0)


@pytest.fixture
def boss(db):
    """A client logged in as a superuser."""
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def clerk(db):
    """Make a client logged in as a member of staff with these permissions of ours."""

    def make(*codenames):
        user = User.objects.create_user(f"clerk {User.objects.count()}", is_staff=True)
        wanted = Permission.objects.filter(
            content_type__app_label="django_verify", codename__in=codenames
        )
        assert len(wanted) == len(codenames)
        user.user_permissions.set(wanted)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def two_senders(settings):
    """Senders `memory` and `spare` for every channel, `mail` for e-mail alone."""
    mail = {"BACKEND": "tests.admin.conftest.MailOnlySender"}
    settings.DJANGO_VERIFY = {"SENDERS": {"memory": MEMORY, "spare": MEMORY, "mail": mail}}


@pytest.fixture
def broken_sender(settings):
    settings.DJANGO_VERIFY = {
        "SENDERS": {"carrier": {"BACKEND": "tests.admin.conftest.BrokenSender"}}
    }


def received(response):
    """What the messages framework shows after a request."""
    return [str(message) for message in response.context["messages"]]
