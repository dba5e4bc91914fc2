"""Sends through Firebase Cloud Messaging, HTTP v1; needs the extra `fcm`."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable

from django.core.checks import CheckMessage, Error
from django.views.decorators.debug import sensitive_variables

from django_verify.net import client, google
from django_verify.net.times import read_retry_after
from django_verify.push_senders.base import (
    Credential,
    PushError,
    PushMessage,
    PushSender,
    TemporaryPushError,
    Unregistered,
)

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_NEEDED = ("project_id", "client_email", "private_key")


@sensitive_variables()
def fault_of_secret(secret: str) -> str:
    """Return what is wrong with the JSON key of a service account, or nothing."""
    try:
        info = json.loads(secret)
    except (ValueError, RecursionError):
        return "It is not JSON."
    if not isinstance(info, dict) or info.get("type") != "service_account":
        return "It is not the JSON key of a service account."
    for name in _NEEDED:
        if not (isinstance(info.get(name), str) and info[name]):
            return f"It has no {name}."
    return ""


class FcmSender(PushSender):
    """Data-only messages of high priority.

    `service_account` is the JSON key, or the path of its file, for Verify services that name no
    credential of their own.
    """

    def __init__(
        self,
        platform: str,
        *,
        service_account: str = "",
        endpoint: str = "https://fcm.googleapis.com",
        token_uri: str = "https://oauth2.googleapis.com/token",  # noqa: S107 - a URL
    ) -> None:
        super().__init__(platform)
        self._service_account = service_account
        self._endpoint, self._token_uri = endpoint, token_uri
        self._known: dict[str, google.ServiceAccount] = {}
        self._lock = threading.Lock()

    @sensitive_variables()
    def send(self, message: PushMessage, credential: Credential | None) -> str:
        """Send one message; an access token that was refused is forgotten."""
        secret = credential.secret if credential else self._own()
        if not secret:
            raise PushError("no credential of FCM is configured")
        digest = hashlib.sha256(secret.encode()).hexdigest()
        project, token = self._access(digest, secret)
        body = {
            "message": {
                "token": message.token,
                "data": message.data(),
                "android": {"priority": "HIGH", "ttl": f"{message.ttl}s"},
            }
        }
        try:
            answer = client.call(
                "POST",
                f"{self._endpoint}/v1/projects/{project}/messages:send",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
            )
        except client.TransportError as error:
            raise TemporaryPushError(f"FCM failed: {error}") from None
        if answer.status == 200:
            return str(answer.object().get("name", ""))[:255]
        if answer.status == 401:
            with self._lock:
                self._known.pop(digest, None)
        raise _refusal(answer)

    def check(self) -> Iterable[CheckMessage]:
        """Report a missing library, and a key that is none."""
        if not google.available():
            yield Error(
                "The push sender of FCM needs google-auth, which is not installed.",
                hint="Install django-verify[fcm].",
                id="django_verify.E032",
            )
        try:
            secret = self._own()
        except PushError as error:
            yield Error(f"The push sender of FCM: {error}.", id="django_verify.E033")
        else:
            if secret and (fault := fault_of_secret(secret)):
                yield Error(f"service_account of FCM: {fault}", id="django_verify.E033")

    @sensitive_variables()
    def _own(self) -> str:
        try:
            return google.read_key(self._service_account) if self._service_account else ""
        except (OSError, ValueError):
            raise PushError("the file of the service account cannot be read") from None

    @sensitive_variables()
    def _access(self, digest: str, secret: str) -> tuple[str, str]:
        """Return the project and a valid access token, which is fetched at most once an hour."""
        with self._lock:
            account = self._known.get(digest)
        if account is None:
            try:
                account = google.ServiceAccount(secret, SCOPE, token_uri=self._token_uri)
            except ValueError:
                raise PushError("the service account cannot be read") from None
        try:
            token = account.access_token()
        except client.TransportError:
            raise TemporaryPushError("Google's token endpoint failed") from None
        except ValueError:
            raise PushError("Google refused the service account") from None
        with self._lock:
            self._known[digest] = account
        return account.project, token


def _refusal(answer: client.Answer) -> PushError:
    """Return the error of an answer; the code is Google's own, its text may quote the message."""
    error = answer.object().get("error")
    error = error if isinstance(error, dict) else {}
    codes = [d.get("errorCode") for d in error.get("details") or () if isinstance(d, dict)]
    code = next((c for c in codes if isinstance(c, str)), "") or str(error.get("status", ""))
    text = f"FCM answered {answer.status} {code[:64]}".strip()
    if code == "UNREGISTERED":
        return Unregistered(text)
    if answer.status in {401, 408, 429} or answer.status >= 500:
        pause = read_retry_after(answer.headers.get("retry-after"))
        return TemporaryPushError(text, retry_after=pause)
    return PushError(text)
