"""What a process keeps of accounts, API keys and services, and how a copy is found outdated.

A copy is never trusted by its age. The statement that a start or a check sends anyway returns the
versions that the database has, and nothing is written, sent or answered by a copy whose version is
another: so a revoked key and a changed service count at the next request of every process. The same
holds for what is kept under these versions: rate limits, test numbers and event sinks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django_verify.models.accounts import Account
from django_verify.models.services import VerifyService

Copy = TypeVar("Copy")

# Copies of each kind that a process keeps; one more, and it begins anew.
MOST = 1000

#: What a start reads of its service besides the columns.
FLAGS = ("has_clients", "senders_fail", "has_test_numbers")
#: Those that other rows decide; the rest is under the service's version.
COMPARED_FLAGS = FLAGS[:2]


class Outdated(Exception):
    """The database has another version than the copy that was used."""


@dataclass(frozen=True, slots=True)
class Credential:
    """An active account by one of its names, its own SID or that of an API key, and the secret."""

    account: Account
    name: str
    secret_hash: str
    key_version: int | None = None


@dataclass(slots=True)
class Known:
    """The copies that one request goes by, until the database has confirmed them."""

    credential: Credential
    service: VerifyService | None = None
    is_confirmed: bool = False

    def confirm(self, found: Mapping[str, Any]) -> None:
        """Compare with the versions and flags that were read. Raises Outdated."""
        kept = {
            "version": self.credential.account.version,
            "key_version": self.credential.key_version,
        }
        if self.service is not None:
            kept["service_version"] = self.service.version
            kept |= {name: getattr(self.service, name) for name in COMPARED_FLAGS}
        if any(found[name] != value for name, value in kept.items()):
            _credentials.pop(self.credential.name, None)
            if self.service is not None:
                _services.pop(self.service.sid, None)
            raise Outdated
        self.is_confirmed = True


_credentials: dict[str, Credential] = {}
_services: dict[str, VerifyService] = {}
_parts: dict[str, tuple[int, Any]] = {}


def credential(name: str) -> Credential | None:
    """Return the copy of an account by one of its names, if there is one."""
    return _credentials.get(name)


def service(sid: str, account_sid: str) -> VerifyService | None:
    """Return the copy of a service of an account, if there is one."""
    found = _services.get(sid)
    return found if found is not None and found.account_id == account_sid else None


def remember(found: Credential, of_account: VerifyService | None = None) -> None:
    """Keep copies of what was just read. The objects are closed to changes from now on."""
    found.account.frozen()
    _keep(_credentials, found.name, found)
    if of_account is not None:
        of_account.account = found.account
        _keep(_services, of_account.sid, of_account.frozen())


def parts(owner: str, version: int | None, read: Callable[[], Copy]) -> Copy:
    """Return what belongs to an account or a service, read when a version of it first needs it.

    The version is the one that this request has read; None: it has read none, and keeps nothing.
    What is read after a version is never older than it, since both are written in one transaction.
    """
    kept_version, kept = _parts.get(owner, (None, None))
    if version is not None and kept_version == version:
        return cast("Copy", kept)
    found = read()
    if version is not None:
        _keep(_parts, owner, (version, found))
    return found


def forget() -> None:
    """Drop all copies."""
    _credentials.clear()
    _services.clear()
    _parts.clear()


def _keep(copies: dict[str, Any], name: str, copy: Any) -> None:
    if len(copies) >= MOST:
        copies.clear()
    copies[name] = copy
