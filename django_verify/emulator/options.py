"""The options of the emulator, and its seed file; nothing of Django is imported here."""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PORT = 8088
ACCOUNT_SID = "AC" + 32 * "0"
AUTH_TOKEN = "twilio_test_auth_token"  # noqa: S105 - the well-known one of another emulator
SERVICE_SID = "VA" + 32 * "0"
CODE = "123456"
RECIPIENT, RANDOM = "recipient", "random"

_CODE = re.compile(r"[0-9]{4,10}\Z")
_SIDS = {prefix: re.compile(rf"{prefix}[0-9a-fA-F]{{32}}\Z") for prefix in ("AC", "SK", "VA")}


@dataclass(frozen=True, slots=True)
class Options:
    """What the emulator is to be.

    `code` is what every message has, or `RECIPIENT` for the end of its number, or `RANDOM`. With
    `closed` no other credentials are accepted than those that are given.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    database: str = ""
    account_sid: str = ACCOUNT_SID
    auth_token: str = field(default=AUTH_TOKEN, repr=False)
    service_sid: str = SERVICE_SID
    code: str = field(default=CODE, repr=False)
    closed: bool = False
    strict: bool = False
    limits: bool = False
    json: bool = False
    certificate: str = ""
    key: str = ""
    seed: Mapping[str, Any] = field(default_factory=dict, repr=False)


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser."""
    add = parser.add_argument
    add("--port", type=int, default=PORT, help=f"port; 0: any that is free (default: {PORT})")
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    add("--database", default="", metavar="FILE", help="keep everything in this SQLite file")
    add("--account-sid", default="", metavar="AC…", help="accept this account alone")
    add("--auth-token", default="", help="accept this token alone")
    add("--service", default="", metavar="VA…", help="SID of the service that is there at first")
    codes = parser.add_mutually_exclusive_group()
    codes.add_argument("--code", default="", help=f"the code of every message (default: {CODE})")
    codes.add_argument(
        "--code-from-recipient", action="store_true", help="codes are the last digits of the number"
    )
    codes.add_argument("--random-codes", action="store_true", help="codes as a site makes them")
    add("--seed", default="", metavar="FILE", help="what there is at first (.toml, .yaml)")
    add("--strict", action="store_true", help="services and numbers must exist")
    add("--limits", action="store_true", help="limit sends and guesses, and guard, as a site does")
    add("--certificate", default="", metavar="PEM", help="answer https with this certificate")
    add("--key", default="", metavar="PEM", help="the certificate's key")
    add("--json", action="store_true", help="print one line of JSON and nothing else")


def read(given: argparse.Namespace) -> Options:
    """Return what was asked for. Raises ValueError, in one sentence."""
    seed = load(Path(given.seed)) if given.seed else {}
    _refuse_faulty(given)
    code = given.code or CODE
    if given.code_from_recipient:
        code = RECIPIENT
    elif given.random_codes:
        code = RANDOM
    return Options(
        host=given.host,
        port=given.port,
        database=given.database,
        account_sid=_canonical(given.account_sid) or ACCOUNT_SID,
        auth_token=given.auth_token or AUTH_TOKEN,
        service_sid=_canonical(given.service) or SERVICE_SID,
        code=code,
        closed=bool(given.account_sid or given.auth_token or seed.get("accounts")),
        strict=given.strict,
        limits=given.limits,
        json=given.json,
        certificate=given.certificate,
        key=given.key,
        seed=seed,
    )


def _refuse_faulty(given: argparse.Namespace) -> None:
    for name, prefix, value in (
        ("--account-sid", "AC", given.account_sid),
        ("--service", "VA", given.service),
    ):
        if value and not _SIDS[prefix].match(value):
            raise ValueError(f"{name}: {prefix} and 32 hexadecimal digits are required")
    if given.code and not _CODE.match(given.code):
        raise ValueError("--code: 4–10 digits are required")
    if not 0 <= given.port <= 65_535:
        raise ValueError("--port: 0–65535")
    if bool(given.certificate) != bool(given.key):
        raise ValueError("--certificate and --key belong together")


def _canonical(sid: str) -> str:
    return sid[:2] + sid[2:].lower()


def load(path: Path) -> Mapping[str, Any]:
    """Return the tables of a seed file. Raises ValueError for one that cannot be read as such."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--seed: {path}: {error}") from None
    if path.suffix in {".yaml", ".yml"}:
        if find_spec("yaml") is None:
            raise ValueError("--seed: YAML needs the extra: pip install 'django-verify[emulator]'")
        yaml = import_module("yaml")
        try:
            found = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise ValueError(f"--seed: {path}: {' '.join(str(error).split())}") from None
    else:
        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"--seed: {path}: {error}") from None
    if not isinstance(found, Mapping):
        raise ValueError(f"--seed: {path}: it has no tables")  # noqa: TRY004 - of a file's content
    _refuse_unknown(found)
    return found


_KEYS: Mapping[str, Sequence[str]] = {
    "": ("accounts", "services"),
    "accounts": ("sid", "auth_token", "friendly_name", "keys", "services"),
    "keys": ("sid", "secret", "friendly_name"),
    "factors": ("identity", "friendly_name", "secret"),
}


def _refuse_unknown(table: Mapping[str, Any], kind: str = "") -> None:
    """Raise ValueError for a key that a table cannot have; a service has those of its model."""
    known = _KEYS.get(kind)
    for name, value in table.items():
        if not isinstance(name, str):
            raise ValueError(f"--seed: {kind or 'the file'} has no {name!r}")  # noqa: TRY004
        if known is not None and name not in known:
            where = kind or "the file"
            raise ValueError(f"--seed: {where} has no {name!r}, but {', '.join(known)}")
        if name in {"accounts", "services", "keys", "factors"}:
            if not (isinstance(value, list) and all(isinstance(row, Mapping) for row in value)):
                raise ValueError(f"--seed: {name} must be a list of tables")
            for row in value:
                _refuse_unknown(row, name)
    _refuse_sid(table, kind)


def _refuse_sid(table: Mapping[str, Any], kind: str) -> None:
    prefix = {"accounts": "AC", "keys": "SK", "services": "VA"}.get(kind)
    if prefix and not _SIDS[prefix].match(str(table.get("sid", ""))):
        raise ValueError(f"--seed: {kind}: sid must be {prefix} and 32 hexadecimal digits")
    required = {"accounts": "auth_token", "keys": "secret", "factors": "identity"}.get(kind)
    if required and not (isinstance(table.get(required), str) and table[required]):
        raise ValueError(f"--seed: {kind}: {required} is missing")
    code = table.get("code") if kind == "services" else None
    # YAML reads 0471 as a number, and one of base eight at that.
    if code is not None and not (isinstance(code, str) and _CODE.match(code)):
        raise ValueError("--seed: services: code must be 4–10 digits, in quotes")
