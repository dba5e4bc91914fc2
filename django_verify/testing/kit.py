"""All that a test has: the outbox, the clock, reports, faults, a service, and the vendor's client.

pytest's fixtures and `VerifyTestCase` are two ways to one `Kit`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from importlib import import_module
from typing import Any, Self

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.test import override_settings
from django.urls import get_resolver

from django_verify import conf, delivery, fraud
from django_verify.db import config_cache, queries
from django_verify.delivery import circuit_breakers
from django_verify.messages import channels
from django_verify.models import Account, VerificationAttempt, VerifyService
from django_verify.push_senders import memory
from django_verify.push_senders.base import PushMessage
from django_verify.testing import commits, recorder
from django_verify.testing.clock import Clock
from django_verify.testing.recorder import Failures, Outbox
from django_verify.testing.reports import Reports
from django_verify.testing.settings import for_tests

#: Why a test is skipped where the vendor's client is not there.
NO_CLIENT = "the vendor's client is not installed: pip install twilio"


class Kit:
    """A context in which nothing leaves the process, and a test sees what would have.

    It changes `DJANGO_VERIFY` as `for_tests` does, and undoes that at its end.
    """

    def __init__(self) -> None:
        self.outbox: Outbox = recorder.outbox
        self.failures: Failures = recorder.failures
        self.clock = Clock()
        self.reports = Reports(self.outbox)
        self.clock.on_move.append(self.reports.run_due)
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as begun:
            begun.enter_context(_written(for_tests(conf.written())))
            self._forget()
            begun.callback(self._forget)
            begun.enter_context(commits.as_on_a_site())
            begun.enter_context(self.clock.running())
            self.reports.listen()
            begun.callback(self.reports.stop)
            self._ending = begun.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.close()

    def settings(self, **changes: Any) -> None:
        """Change keys of `DJANGO_VERIFY` until the end of the test."""
        self._ending.enter_context(_written(conf.written() | changes))

    @property
    def notifications(self) -> list[PushMessage]:
        """The notifications that were sent to devices, oldest first."""
        return memory.outbox

    def code(self, recipient: str) -> str:
        """Return the code that was last sent to a recipient, a number or an address.

        Raises LookupError, which says what became of the message, where none was sent.
        """
        try:
            return self.outbox.latest(recipient).code
        except LookupError as error:
            raise LookupError(f"{error}{self._fate(recipient)}") from None

    def deliver_due(self) -> int:
        """Send what is due by now, as the workers of a site do; return how many were claimed."""
        return delivery.deliver_due()

    @cached_property
    def account(self) -> Account:
        """An account; its token is the attribute `token`."""
        made: Any = Account(friendly_name="Tests")
        made.token = made.set_auth_token()
        made.save()
        found: Account = made
        return found

    def service(self, **values: Any) -> VerifyService:
        """Return a new service of the account, with the values of its fields.

        By default apps and pages may use it, unless the site has one that they use already. It has
        the SID of `CLIENT_SERVICE` where that names one that is not there.
        """
        named = conf.current().CLIENT_SERVICE
        if named and not VerifyService.objects.filter(sid=named).exists():
            values.setdefault("sid", named)
        taken = VerifyService.objects.filter(client_enabled=True).exists()
        values.setdefault("client_enabled", not taken)
        values.setdefault("friendly_name", "Example")
        values.setdefault("account", self.account)
        made: VerifyService = VerifyService.objects.create(**values)
        return made

    def twilio_client(self, site: str) -> Any:
        """Return the vendor's client, in the account's name, against a server of this site.

        `site` is the server's URL without a path. Raises ImportError where the client is not
        installed, ImproperlyConfigured where the site's URLs do not have the API under `…v2/`.
        """
        # Without the environment, whose region the client would put into the server's name.
        client = import_module("twilio.rest").Client(
            self.account.sid, vars(self.account)["token"], environment={"TWILIO_REGION": ""}
        )
        client.verify.base_url = site.rstrip("/") + "/" + api_prefix()
        return client

    def _fate(self, recipient: str) -> str:
        """Say what the site has recorded about the last message to a recipient."""
        to = channels.read_typed(recipient)
        rows = queries.attempts().filter(verification__to=to).order_by("-sid")
        attempt: VerificationAttempt | None = rows.first()
        if attempt is None:
            return "; no verification of it was started"
        reason = attempt.error_message or "it waits for its transaction, or for a worker"
        return f"; the last attempt is {attempt.message_status}: {reason}"

    def _forget(self) -> None:
        """Let no test go by what another one has left in this process."""
        self.outbox.clear()
        self.failures.clear()
        memory.outbox.clear()
        config_cache.forget()
        circuit_breakers.forget()
        fraud.forget()


@contextmanager
def _written(values: Mapping[str, Any]) -> Iterator[None]:
    """Have `DJANGO_VERIFY` be these values in a block, which another override may outlive.

    pytest-django's `settings` may begin before a kit and end after it, with overrides from between;
    undoing those would bring the kit's back. So ours are emptied where they are not the last.
    """
    override = override_settings(DJANGO_VERIFY=values)
    override.enable()
    wrapper: Any = django_settings
    ours = wrapper._wrapped  # noqa: SLF001 - as override_settings has it
    try:
        yield
    finally:
        if wrapper._wrapped is ours:  # noqa: SLF001
            override.disable()
        else:
            vars(ours).pop("DJANGO_VERIFY", None)
            vars(wrapper).pop("DJANGO_VERIFY", None)
            setting_changed.send(
                sender=type(ours), setting="DJANGO_VERIFY", value=conf.written(), enter=False
            )


def api_prefix() -> str:
    """Return what stands before `v2/` in the paths of the API; mostly nothing.

    Raises ImproperlyConfigured.
    """
    found = get_resolver().namespace_dict.get("django_verify")
    prefix = found[0] if found else ""
    if not prefix.endswith("v2/"):
        raise ImproperlyConfigured(
            "The SDKs call …/v2/Services. Include the API by"
            ' path("v2/", include("django_verify.api.urls")) in the URLs of the tests.'
        )
    return str(prefix.removesuffix("v2/")).rstrip("/")
