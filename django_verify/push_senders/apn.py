"""Sends through Apple's push service over HTTP/2, with a provider token; needs the extra `apn`."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from django.core.checks import CheckMessage, Error
from django.views.decorators.debug import sensitive_variables

from django_verify.conf.backends import installed
from django_verify.crypto import primitives
from django_verify.net.times import read_retry_after
from django_verify.push_senders.base import (
    Credential,
    PushError,
    PushMessage,
    PushSender,
    TemporaryPushError,
    Unregistered,
)

HOST, SANDBOX = "https://api.push.apple.com", "https://api.sandbox.push.apple.com"
TIMEOUT = 15.0
#: Seconds for which an idle connection stays open: Apple wants few connections, kept for long.
IDLE = 30 * 60
# Apple refuses tokens that are older than an hour, and senders that make one too often.
TOKEN_LIFE = 50 * 60

_GONE = {"Unregistered", "ExpiredToken"}
_STALE = {"ExpiredProviderToken"}


@sensitive_variables()
def fault_of_secret(secret: str) -> str:
    """Return what is wrong with a `.p8` key, or nothing."""
    return "" if _key(secret) else "It is not the text of a .p8 file: a P-256 private key in PEM."


class ApnSender(PushSender):
    """Alerts of priority 10, whose topic is the device's app.

    `key` is the text of the `.p8` file, for Verify services that name no credential of their own.
    """

    def __init__(
        self,
        platform: str,
        *,
        key: str = "",
        key_id: str = "",
        team_id: str = "",
        topic: str = "",
        sandbox: bool = False,
        transport: Any = None,
    ) -> None:
        super().__init__(platform)
        self._own = Credential(key, team_id, key_id, topic, sandbox) if key else None
        self._transport = transport
        self._client: Any = None
        self._process = 0
        self._has_answered = False
        self._tokens: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    @sensitive_variables()
    def send(self, message: PushMessage, credential: Credential | None) -> str:
        """Send one message; a provider token that Apple calls too old is forgotten."""
        used = credential or self._own
        if used is None:
            raise PushError("no credential of APNs is configured")
        if not installed("httpx", "h2"):
            raise PushError("the library of APNs is not installed")
        import httpx  # noqa: PLC0415 - an extra

        token = self._token(used)
        expires = int(time.time()) + message.ttl if message.ttl else 0
        headers = {
            "authorization": f"bearer {token}",
            "apns-topic": used.topic or message.app_id,
            "apns-push-type": "alert",
            "apns-priority": "10",
            "apns-expiration": str(expires),
            "apns-id": str(uuid.UUID(message.sid[2:])),
        }
        aps = {"alert": message.message, "category": "verify_push_challenge"}
        host = SANDBOX if used.sandbox else HOST
        try:
            answer = self._post(
                f"{host}/3/device/{quote(message.token, safe='')}",
                {"aps": aps, **message.data()},
                headers,
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise TemporaryPushError(f"APNs failed: {type(error).__name__}") from None
        if answer.status_code == 200:
            return str(answer.headers.get("apns-id", ""))[:255]
        reason = _reason(answer)
        if reason in _STALE:
            self._forget(used, token)
        raise _refusal(answer, reason)

    def check(self) -> Iterable[CheckMessage]:
        """Report a missing library, and a key that is none."""
        if not installed("httpx", "h2"):
            yield Error(
                "The push sender of APNs needs httpx with HTTP/2, which is not installed.",
                hint="Install django-verify[apn].",
                id="django_verify.E032",
            )
        if self._own and (fault := fault_of_secret(self._own.secret)):
            yield Error(f"key of APNs: {fault}", id="django_verify.E033")

    def _post(self, url: str, content: Any, headers: dict[str, str]) -> Any:
        """Post once, and once more where Apple has closed the connection since its last answer."""
        import httpx  # noqa: PLC0415 - an extra

        connection, was_open = self._connection()
        try:
            answer = connection.post(url, json=content, headers=headers)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if not was_open:
                raise
            # The id of the notification is the same, and the dead connection is not used again.
            answer = connection.post(url, json=content, headers=headers)
        self._has_answered = True
        return answer

    def _connection(self) -> tuple[Any, bool]:
        """Return the process's one client, and whether it has had an answer before."""
        import httpx  # noqa: PLC0415 - an extra

        with self._lock:
            if self._client is None or self._process != os.getpid():
                self._client = httpx.Client(
                    http2=self._transport is None,
                    timeout=TIMEOUT,
                    limits=httpx.Limits(keepalive_expiry=IDLE),
                    transport=self._transport,
                    trust_env=False,
                )
                self._process, self._has_answered = os.getpid(), False
            return self._client, self._has_answered

    @sensitive_variables()
    def _forget(self, used: Credential, token: str) -> None:
        """Make a new token for this credential; one made meanwhile stays, as do the others'."""
        digest = _digest(used)
        with self._lock:
            if self._tokens.get(digest, (0.0, ""))[1] == token:
                del self._tokens[digest]

    @sensitive_variables()
    def _token(self, used: Credential) -> str:
        digest = _digest(used)
        now = time.time()
        with self._lock:
            made, token = self._tokens.get(digest, (0.0, ""))
            if not made <= now < made + TOKEN_LIFE:
                token = _signed(used, int(now))
                self._tokens[digest] = now, token
        return token


@sensitive_variables()
def _digest(used: Credential) -> str:
    return hashlib.sha256(f"{used.team_id} {used.key_id} {used.secret}".encode()).hexdigest()


@sensitive_variables()
def _signed(used: Credential, now: int) -> str:
    """Return a provider token: an ES256 JWT that names the team and the moment."""
    key = _key(used.secret)
    if key is None:
        raise PushError("the key of APNs cannot be read")
    parts = ({"alg": "ES256", "kid": used.key_id}, {"iss": used.team_id, "iat": now})
    text = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
    r, s = primitives.decode_dss_signature(
        key.sign(text.encode(), primitives.ec.ECDSA(primitives.SHA256()))
    )
    return f"{text}.{_base64url(r.to_bytes(32) + s.to_bytes(32))}"


@sensitive_variables()
def _key(secret: str) -> primitives.ec.EllipticCurvePrivateKey | None:
    try:
        key = primitives.load_pem_private_key(secret.encode(), password=None)
    except (ValueError, TypeError, primitives.UnsupportedAlgorithm):
        return None
    fits = isinstance(key, primitives.ec.EllipticCurvePrivateKey) and isinstance(
        key.curve, primitives.ec.SECP256R1
    )
    return key if fits else None  # type: ignore[return-value]


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _reason(answer: Any) -> str:
    try:
        value = answer.json()
    except (ValueError, RecursionError):
        return ""
    return str(value.get("reason", ""))[:64] if isinstance(value, dict) else ""


def _refusal(answer: Any, reason: str) -> PushError:
    text = f"APNs answered {answer.status_code} {reason}".strip()
    if answer.status_code == 410 or reason in _GONE:
        return Unregistered(text)
    if answer.status_code in {408, 429} or answer.status_code >= 500 or reason in _STALE:
        return TemporaryPushError(
            text, retry_after=read_retry_after(answer.headers.get("retry-after"))
        )
    return PushError(text)
