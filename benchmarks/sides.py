"""The sides: what each is asked, what it must answer, and how the client knows the code.

The codes are learned between two phases, from the database and the shared key, so that no
request pays for reporting them.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from benchmarks import databases

Answer = Mapping[str, Any]
_KNOWN_CODE = "SELECT {columns} FROM {table} WHERE {key} IN ({{keys}}) ORDER BY {order}"


class Call(NamedTuple):
    """One POST for a number, and what its answer must have: a status, and a member's value."""

    to: str
    path: str
    body: bytes
    http_status: int
    says: tuple[str, str] | None

    def is_answered_by(self, http_status: int, answer: Answer) -> bool:
        """Whether an answer is the one that is expected."""
        said = self.says is None or answer.get(self.says[0]) == self.says[1]
        return http_status == self.http_status and said


@dataclass
class Side:
    """A site that verifies numbers over HTTP, and a caller of it."""

    credentials: str = ""

    name: ClassVar[str]
    label: ClassVar[str]
    settings: ClassVar[str]
    content_type: ClassVar[str] = "application/json"
    environ: ClassVar[Mapping[str, str]] = {}
    #: The distribution that has to be installed for it, where it is a published package.
    package: ClassVar[str] = ""

    def create(self) -> dict[str, Any]:
        """Make what a caller needs, and return the fields of this object; in its own Django."""
        return asdict(self)

    def fill(self, rows: int) -> None:
        """Write that many verifications that are over; in its own Django."""
        raise NotImplementedError

    def start(self, to: str) -> Call:
        """Return the start of a number, or its resend."""
        raise NotImplementedError

    def codes(self, url: str, answers: Sequence[Answer]) -> list[str]:
        """Return the right codes for the answers of starts."""
        raise NotImplementedError

    def check(self, answer: Answer, code: str, *, right: bool) -> Call:
        """Return the check of a code."""
        raise NotImplementedError

    def checks(self, url: str, answers: Sequence[Answer], *, right: bool = True) -> list[Call]:
        """Return the checks for the answers of starts: of their codes, or each of another one."""
        codes = self.codes(url, answers)
        if not right:
            codes = [f"{(int(code) + 1) % 10**6:06}" for code in codes]
        return [self.check(*each, right=right) for each in zip(answers, codes, strict=True)]

    def _json(self, to: str, path: str, body: Answer, http_status: int, *says: str) -> Call:
        return Call(to, path, json.dumps(body).encode(), http_status, says or None)


class Floor(Side):
    """The pair in `floor/`: an API key, JSON bodies, a check by id."""

    name, label = "floor", "floor"
    settings = "benchmarks.floor.settings"

    def create(self) -> dict[str, Any]:
        """Make the API key."""
        from benchmarks.floor.codes import hash_key
        from benchmarks.floor.models import ApiKey

        key = uuid.uuid4().hex + uuid.uuid4().hex
        ApiKey.objects.create(key_hash=hash_key(key))
        self.credentials = f"Bearer {key}"
        return asdict(self)

    def start(self, to: str) -> Call:
        """Return a start; it knows no resend."""
        return self._json(to, "/verifications", {"to": to}, 201, "status", "pending")

    def codes(self, url: str, answers: Sequence[Answer]) -> list[str]:
        """Derive the codes from the ids."""
        from benchmarks.floor.codes import derive_code

        return [derive_code(answer["id"]) for answer in answers]

    def check(self, answer: Answer, code: str, *, right: bool) -> Call:
        """Return the check of an id."""
        body, status = {"id": answer["id"], "code": code}, "approved" if right else "pending"
        return self._json(answer["to"], "/checks", body, 200, "status", status)

    def fill(self, rows: int) -> None:
        """Write approved rows."""
        from benchmarks import filling

        filling.floor(rows)


class Lawful(Side):
    """The pair in `lawful/`: an API key, JSON bodies, a check by number."""

    name, label = "lawful", "lawful floor"
    settings = "benchmarks.lawful.settings"

    def create(self) -> dict[str, Any]:
        """Make the API key."""
        from benchmarks.lawful.codes import hash_key
        from benchmarks.lawful.models import ApiKey

        key = uuid.uuid4().hex + uuid.uuid4().hex
        ApiKey.objects.create(id=uuid.uuid4().hex, key_hash=hash_key(key))
        self.credentials = f"Bearer {key}"
        return asdict(self)

    def start(self, to: str) -> Call:
        """Return the start of a number, or its resend."""
        return self._json(to, "/verifications", {"to": to}, 201, "status", "pending")

    def codes(self, url: str, answers: Sequence[Answer]) -> list[str]:
        """Derive the codes from the rows' nonces."""
        from benchmarks.lawful import codes

        sql = "SELECT id, nonce, key_id FROM lawful_verification WHERE id IN ({keys})"
        found = {row[0]: row for row in databases.rows(url, sql, _all(answers, "id"))}
        return [codes.derive(*found[answer["id"]]) for answer in answers]

    def check(self, answer: Answer, code: str, *, right: bool) -> Call:
        """Return the check of a number."""
        body, status = {"to": answer["to"], "code": code}, "approved" if right else "pending"
        return self._json(answer["to"], "/checks", body, 200, "status", status)

    def fill(self, rows: int) -> None:
        """Write approved rows with their attempts."""
        from benchmarks import filling

        filling.lawful(rows)


class PhoneVerify(Side):
    """django-phone-verify: nobody authenticates, a token of the session, a check by both."""

    name, label, package = "phone_verify", "django-phone-verify", "django-phone-verify"
    settings = "benchmarks.peers.phone_verify.settings"

    def start(self, to: str) -> Call:
        """Return a start; another one replaces it."""
        return self._json(to, "/phone/register", {"phone_number": to}, 200)

    def codes(self, url: str, answers: Sequence[Answer]) -> list[str]:
        """Read the codes of the sessions."""
        sql = _KNOWN_CODE.format(
            columns="session_token, security_code",
            table="sms_verification",
            key="session_token",
            order="created_at",
        )
        found = dict(databases.rows(url, sql, _all(answers, "session_token")))
        return [found[answer["session_token"]] for answer in answers]

    def check(self, answer: Answer, code: str, *, right: bool) -> Call:
        """Return the check of a number and its session."""
        body = {
            "phone_number": answer["to"],
            "session_token": answer["session_token"],
            "security_code": code,
        }
        return self._json(answer["to"], "/phone/verify", body, 200 if right else 400)


class Passwordless(Side):
    """drfpasswordless: nobody authenticates, a number is a user, whose token a check returns."""

    name, label, package = "passwordless", "drfpasswordless", "drfpasswordless"
    settings = "benchmarks.peers.passwordless.settings"

    def start(self, to: str) -> Call:
        """Return a start; another one replaces it."""
        return self._json(to, "/auth/mobile/", {"mobile": to}, 200)

    def codes(self, url: str, answers: Sequence[Answer]) -> list[str]:
        """Read the newest codes of the numbers."""
        sql = _KNOWN_CODE.format(
            columns="to_alias, {quote}key{quote}",
            table="drfpasswordless_callbacktoken",
            key="to_alias",
            order="created_at",
        ).replace("{quote}", "`" if url.startswith("mysql") else '"')
        found = dict(databases.rows(url, sql, _all(answers, "to")))
        return [found[answer["to"]] for answer in answers]

    def check(self, answer: Answer, code: str, *, right: bool) -> Call:
        """Return the check of a number."""
        body = {"mobile": answer["to"], "token": code}
        return self._json(answer["to"], "/auth/token/", body, 200 if right else 400)


@dataclass
class Ours(Side):
    """The example site: account credentials, forms, a check by number."""

    service: str = ""
    #: What each start says besides the number and the channel.
    parameters: dict[str, str] = field(default_factory=dict)

    name, label = "ours", "ours"
    settings = "benchmarks.settings"
    content_type = "application/x-www-form-urlencoded"
    #: What is done to its new service; returns more parameters of a start.
    prepare: ClassVar[Sequence[Callable[[Any], Mapping[str, str]]]] = ()

    def create(self) -> dict[str, Any]:
        """Make the account and the service."""
        from django_verify.models import Account, VerifyService

        account = Account(friendly_name="Benchmark")
        token = account.set_auth_token()
        account.save()
        basic = base64.b64encode(f"{account.sid}:{token}".encode()).decode()
        service = VerifyService.objects.create(account=account, friendly_name="Acme")
        self.credentials, self.service = f"Basic {basic}", service.sid
        for prepare in self.prepare:
            self.parameters.update(prepare(service))
        return asdict(self)

    def start(self, to: str) -> Call:
        """Return the start of a number, or its resend."""
        more = {name: value.replace("{to}", to) for name, value in self.parameters.items()}
        body = {"To": to, "Channel": "sms", **more}
        return self._form(to, "Verifications", body, 201, "pending")

    def codes(self, url: str, answers: Sequence[Answer]) -> list[str]:
        """Derive the codes from the rows' nonces."""
        from django_verify.crypto import codes

        sql = (
            "SELECT sid, nonce, key_id, code_length FROM django_verify_verification"
            " WHERE sid IN ({keys})"
        )
        # The column has the digits alone, as text or bytes or a UUID.
        stored = bytes.fromhex if url.startswith("mysql") else str
        rows = databases.rows(url, sql, [stored(answer["sid"][2:]) for answer in answers])
        found = {"VE" + _hexadecimal(row[0]): row for row in rows}
        derived = []
        for answer in answers:
            _, nonce, key_id, digits = found[answer["sid"]]
            derived.append(codes.derive(answer["sid"], nonce, "", "", digits=digits, key_id=key_id))
        return derived

    def check(self, answer: Answer, code: str, *, right: bool) -> Call:
        """Return the check of a number."""
        body, status = {"To": answer["to"], "Code": code}, "approved" if right else "pending"
        return self._form(answer["to"], "VerificationCheck", body, 200, status)

    def fill(self, rows: int) -> None:
        """Write rows as a cycle leaves them."""
        from benchmarks import filling
        from django_verify.models import VerifyService

        filling.ours(VerifyService.objects.get(sid=self.service), rows)

    def _form(self, to: str, name: str, body: dict[str, str], http_status: int, says: str) -> Call:
        path = f"/v2/Services/{self.service}/{name}"
        return Call(to, path, urlencode(body).encode(), http_status, ("status", says))


def _two_buckets(service: Any) -> Mapping[str, str]:
    """Limit starts by two keys, of which no value is ever full."""
    for name in ("user", "network"):
        limit = service.rate_limits.create(unique_name=name)
        limit.buckets.create(max=1_000_000, interval=3600)
    return {"RateLimits": json.dumps({"user": "{to}", "network": "192.0.2.0"})}


def _events(service: Any) -> Mapping[str, str]:
    """Report every step to one sink, whose deliveries wait for their worker."""
    service.verify_event_subscription_enabled = True
    service.save()
    service.account.event_sinks.create(url="https://example.com/events")
    return {}


def _variant(name: str, *prepare: Callable[[Any], Mapping[str, str]], **environ: str) -> type[Ours]:
    """Return ours with something more turned on than the defaults."""
    members = {"name": f"ours+{name}", "label": f"ours, {name}", "__doc__": f"Ours, {name}."}
    return type(f"Ours_{name}", (Ours,), members | {"prepare": prepare, "environ": environ})


#: The sides that are compared with each other; published packages where `--peers` asks for them.
SIDES: dict[str, type[Side]] = {s.name: s for s in (Floor, Lawful, PhoneVerify, Passwordless, Ours)}
#: Ours with more turned on, compared with ours as it is.
VARIANTS: dict[str, type[Side]] = {
    side.name: side
    for side in (
        _variant("buckets", _two_buckets),
        _variant("events", _events),
        _variant("buckets and events", _two_buckets, _events),
        _variant("guard", BENCH_GUARD="standard"),
        _variant("guard, buckets and events", _two_buckets, _events, BENCH_GUARD="standard"),
        _variant("queue", BENCH_DISPATCH="benchmarks.sender.wake"),
        _variant("rows"),  # those of `--rows`
    )
}


def _all(answers: Sequence[Answer], name: str) -> list[str]:
    return [answer[name] for answer in answers]


def _hexadecimal(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value).replace("-", "")
