"""The two sides: what each is asked, what it must answer, and how the client knows the code.

The codes are learned between two phases, from the database and the shared key, so that no
request pays for reporting them.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from benchmarks import databases


class Call(NamedTuple):
    """One POST and what its answer must say."""

    path: str
    body: bytes
    http_status: int
    status: str


@dataclass
class Ours:
    """The example site: account credentials, forms, a check by number."""

    credentials: str = ""
    service: str = ""

    name: ClassVar[str] = "ours"
    settings: ClassVar[str] = "benchmarks.settings"
    application: ClassVar[str] = "example_project.wsgi"
    content_type: ClassVar[str] = "application/x-www-form-urlencoded"

    def create(self) -> dict[str, str]:
        """Make the account and the service; inside a set-up Django only."""
        from django_verify.models import Account, VerifyService

        account = Account(friendly_name="Benchmark")
        token = account.set_auth_token()
        account.save()
        basic = base64.b64encode(f"{account.sid}:{token}".encode()).decode()
        self.credentials = f"Basic {basic}"
        self.service = VerifyService.objects.create(account=account, friendly_name="Acme").sid
        return asdict(self)

    def start(self, to: str) -> Call:
        """Return the start of a number."""
        return self._call("Verifications", {"To": to, "Channel": "sms"}, 201, "pending")

    def checks(self, url: str, answers: Sequence[dict[str, Any]]) -> list[Call]:
        """Return the right checks for the answers of starts."""
        from django_verify.crypto import codes

        sql = (
            "SELECT sid, nonce, key_id, code_length FROM django_verify_verification"
            " WHERE sid IN ({keys})"
        )
        # The column has the digits alone, on PostgreSQL as a UUID.
        rows = databases.rows(url, sql, [answer["sid"][2:] for answer in answers])
        found = {"VE" + str(row[0]).replace("-", ""): row for row in rows}
        calls = []
        for answer in answers:
            sid = answer["sid"]
            _, nonce, key_id, digits = found[sid]
            code = codes.derive(sid, nonce, "", "", digits=digits, key_id=key_id)
            body = {"To": answer["to"], "Code": code}
            calls.append(self._call("VerificationCheck", body, 200, "approved"))
        return calls

    def _call(self, name: str, body: dict[str, str], http_status: int, status: str) -> Call:
        path = f"/v2/Services/{self.service}/{name}"
        return Call(path, urlencode(body).encode(), http_status, status)


@dataclass
class Floor:
    """The pair in `floor/`: an API key, JSON bodies, a check by id."""

    credentials: str = ""

    name: ClassVar[str] = "floor"
    settings: ClassVar[str] = "benchmarks.floor.settings"
    application: ClassVar[str] = "benchmarks.floor.wsgi"
    content_type: ClassVar[str] = "application/json"

    def create(self) -> dict[str, str]:
        """Make the API key; inside a set-up Django only."""
        from benchmarks.floor.codes import hash_key
        from benchmarks.floor.models import ApiKey

        key = uuid.uuid4().hex + uuid.uuid4().hex
        ApiKey.objects.create(key_hash=hash_key(key))
        self.credentials = f"Bearer {key}"
        return asdict(self)

    def start(self, to: str) -> Call:
        """Return the start of a number."""
        return self._call("/verifications", {"to": to}, 201, "pending")

    def checks(self, url: str, answers: Sequence[dict[str, Any]]) -> list[Call]:
        """Return the right checks for the answers of starts."""
        from benchmarks.floor.codes import derive_code

        return [
            self._call(
                "/checks",
                {"id": answer["id"], "code": derive_code(uuid.UUID(answer["id"]))},
                200,
                "approved",
            )
            for answer in answers
        ]

    def _call(self, path: str, body: dict[str, str], http_status: int, status: str) -> Call:
        return Call(path, json.dumps(body).encode(), http_status, status)


Side = Floor | Ours
SIDES: dict[str, type[Side]] = {side.name: side for side in (Floor, Ours)}
