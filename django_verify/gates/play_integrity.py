"""Verifies tokens of Google's Play Integrity API, standard or classic; needs the extra
`playintegrity`."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name of it
from django.views.decorators.debug import sensitive_variables

from django_verify.exceptions import GateRefused, GateUnavailable
from django_verify.gates import app_tokens
from django_verify.gates.base import Gate, Result
from django_verify.logs import logger
from django_verify.net import client, google

SCOPE = "https://www.googleapis.com/auth/playintegrity"
_BUSY = 429


class PlayIntegrityGate(Gate):
    """Takes tokens of one app, as Google Play has it, on a device that meets `device`.

    `service_account` is its JSON key, or the path of the file. `certificates` are the SHA-256
    digests of the signing certificates, base64url as Google writes them; without any, the one that
    Google Play knows will do.
    """

    name = "play_integrity"
    longest = 16_384

    def __init__(
        self,
        *,
        package_name: str,
        service_account: str,
        device: str = "MEETS_DEVICE_INTEGRITY",
        certificates: Sequence[str] = (),
        max_age: int = 300,
        endpoint: str = "https://playintegrity.googleapis.com",
        fail_open: bool = False,
    ) -> None:
        super().__init__(fail_open=fail_open)
        if isinstance(certificates, str):
            raise TypeError("certificates is a list")
        if not package_name:
            raise ValueError("package_name is empty")
        self.package_name, self.device, self.max_age = package_name, device, max_age
        self.certificates = frozenset(one.rstrip("=") for one in certificates)
        self._url = f"{endpoint}/v1/{quote(package_name, safe='')}:decodeIntegrityToken"
        if not google.available():
            raise ValueError("it needs google-auth: install django-verify[playintegrity]")
        self._account = google.ServiceAccount(google.read_key(service_account), SCOPE)

    @sensitive_variables()
    def verify(self, token: str, *, remote_ip: str, action: str, subject: str) -> Result:
        """Take `1.<seconds>.<integrity token>`; see docs/gates.md."""
        opened = app_tokens.opened(self.presented(token), 1, self.max_age)
        payload = self._decode(opened.contents[0])
        details, app = _part(payload, "requestDetails"), _part(payload, "appIntegrity")
        if details.get("requestPackageName") != self.package_name:
            raise GateRefused("wrong_app")
        asked = _base64url(app_tokens.digest(action, subject, opened.moment))
        signed = details.get("requestHash") or details.get("nonce")
        if not isinstance(signed, str) or signed.rstrip("=") != asked:
            raise GateRefused("wrong_subject")
        made = _milliseconds(details.get("timestampMillis"))
        if not app_tokens.is_recent(made / 1000, self.max_age):
            raise GateRefused("expired")
        self._inspect(app, _part(payload, "deviceIntegrity"))
        # Of what Google signed: the token's own text has more than one spelling.
        return Result(f"{asked}.{made}", self.max_age + 2 * app_tokens.AHEAD)

    def check(self) -> Iterable[CheckMessage]:
        """Warn of a level that emulators and changed systems may meet."""
        if self.device not in {"MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY"}:
            yield Warning(
                f"The gate of Play Integrity takes devices that meet {self.device!r} alone.",
                hint="Use MEETS_DEVICE_INTEGRITY or MEETS_STRONG_INTEGRITY.",
                id="django_verify.W044",
            )

    def _inspect(self, app: Mapping[str, Any], device: Mapping[str, Any]) -> None:
        if app.get("appRecognitionVerdict") != "PLAY_RECOGNIZED":
            raise GateRefused("wrong_app")
        if app.get("packageName") != self.package_name:
            raise GateRefused("wrong_app")
        signed = [s.rstrip("=") for s in _list(app, "certificateSha256Digest") if type(s) is str]
        if self.certificates and not self.certificates & set(signed):
            raise GateRefused("wrong_app")
        if self.device not in _list(device, "deviceRecognitionVerdict"):
            raise GateRefused("wrong_device")

    @sensitive_variables()
    def _decode(self, token: str) -> Mapping[str, Any]:
        """Have Google decrypt a token; an access token that was refused is forgotten."""
        answer = self._post({"integrity_token": token})
        if answer.status == 400:
            raise GateRefused("invalid")
        if answer.status != 200:
            self._account.forget()
            logger.error("Play Integrity answered %s", answer.status)
            raise GateUnavailable("misconfigured")
        payload = answer.object().get("tokenPayloadExternal")
        if not isinstance(payload, dict):
            raise GateUnavailable("unreadable")
        return payload

    @sensitive_variables()
    def _post(self, content: Mapping[str, str]) -> client.Answer:
        try:
            headers = {"Authorization": f"Bearer {self._account.access_token()}"}
            answer = client.call("POST", self._url, json=content, headers=headers)
        except client.TransportError as error:
            logger.error("Google did not answer: %s", error)
            raise GateUnavailable from None
        except ValueError:
            logger.error("Google refused the service account")
            raise GateUnavailable("misconfigured") from None
        if answer.status >= 500 or answer.status == _BUSY:
            logger.error("Google answered %s", answer.status)
            raise GateUnavailable
        return answer


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = payload.get(name)
    return part if isinstance(part, dict) else {}


def _list(part: Mapping[str, Any], name: str) -> list[Any]:
    values = part.get(name)
    return values if isinstance(values, list) else []


def _milliseconds(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
