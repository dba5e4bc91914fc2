"""Access tokens of Google's service accounts, by google-auth: the extras `fcm` and `playintegrity`.

What is asked of Google with such a token is in `push_senders` and `gates`.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.views.decorators.debug import sensitive_variables

from django_verify import lazy
from django_verify.conf.backends import installed
from django_verify.net import client

_cryptography = lazy.module("cryptography.exceptions")
_BUSY = 429
# What google-auth raises for members of other types than it expects.
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def available() -> bool:
    """Whether google-auth is installed."""
    return installed("google.auth", "google.oauth2")


@sensitive_variables()
def read_key(given: str) -> str:
    """Return the JSON key that an option holds, or names the file of; raise OSError."""
    return given if given.lstrip().startswith("{") else Path(given).read_text("utf-8")


class ServiceAccount:
    """A service account, and the access token of one scope that it has at the moment."""

    @sensitive_variables()
    def __init__(self, key: str, scope: str, **changes: str) -> None:
        """Read the JSON key of an account. Raises ValueError, with no part of it in the text."""
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - an extra
        from google.oauth2.service_account import Credentials  # noqa: PLC0415 - an extra

        found = None
        with contextlib.suppress(
            GoogleAuthError, _cryptography.UnsupportedAlgorithm, RecursionError, *_MALFORMED
        ):
            info = {**json.loads(key), **changes}
            found = Credentials.from_service_account_info(info, scopes=[scope])
        if found is None:
            # Raised out here, for the error in hand would bring the key along.
            raise ValueError("it is not the JSON key of a service account")
        self._credentials = found

    @property
    def project(self) -> str:
        """The project that the account belongs to."""
        return str(self._credentials.project_id)

    @sensitive_variables()
    def access_token(self) -> str:
        """Return one that holds for a while yet; threads that meet may each fetch theirs.

        Raises TransportError where Google does not answer or is busy, and ValueError where it
        refuses the account.
        """
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - an extra

        failure: Exception | None = None
        if not self._credentials.valid:
            try:
                self._credentials.refresh(_request)
            except GoogleAuthError as error:
                busy = getattr(error, "retryable", False)
                failure = client.TransportError("busy") if busy else ValueError("refused")
            except _MALFORMED:
                failure = ValueError("not to be read")
        if failure is not None:
            # Raised out here, for the error in hand holds what Google has answered.
            raise failure
        return str(self._credentials.token)

    def forget(self) -> None:
        """Fetch another access token next time."""
        self._credentials.token = None


def _request(
    url: str, method: str = "GET", body: bytes | None = None, headers: Any = None, **_: Any
) -> SimpleNamespace:
    """Make a request as google-auth wants it made.

    A server that is busy raises here: the library would try it again, and sleep in between, while
    a caller waits.
    """
    answer = client.call(method, url, body=body, headers=headers)
    if answer.status >= 500 or answer.status == _BUSY:
        raise client.TransportError(str(answer.status))
    return SimpleNamespace(status=answer.status, headers=answer.headers, data=answer.body)
