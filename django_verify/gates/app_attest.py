"""Verifies attestations of Apple's App Attest; needs the extra `attest`.

Nobody is asked: an attestation is a key of the device, certified by Apple over what was asked for.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.checks import CheckMessage, Error
from django.views.decorators.debug import sensitive_variables

from django_verify.exceptions import GateRefused
from django_verify.gates import app_tokens
from django_verify.gates.base import Gate, Result

#: What Apple signs with, from its list of certificate authorities; it runs out in 2045.
APPLE_ROOT = """-----BEGIN CERTIFICATE-----
MIICITCCAaegAwIBAgIQC/O+DvHN0uD7jG5yH2IXmDAKBggqhkjOPQQDAzBSMSYw
JAYDVQQDDB1BcHBsZSBBcHAgQXR0ZXN0YXRpb24gUm9vdCBDQTETMBEGA1UECgwK
QXBwbGUgSW5jLjETMBEGA1UECAwKQ2FsaWZvcm5pYTAeFw0yMDAzMTgxODMyNTNa
Fw00NTAzMTUwMDAwMDBaMFIxJjAkBgNVBAMMHUFwcGxlIEFwcCBBdHRlc3RhdGlv
biBSb290IENBMRMwEQYDVQQKDApBcHBsZSBJbmMuMRMwEQYDVQQIDApDYWxpZm9y
bmlhMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAERTHhmLW07ATaFQIEVwTtT4dyctdh
NbJhFs/Ii2FdCgAHGbpphY3+d8qjuDngIN3WVhQUBHAoMeQ/cLiP1sOUtgjqK9au
Yen1mMEvRq9Sk3Jm5X8U62H+xTD3FE9TgS41o0IwQDAPBgNVHRMBAf8EBTADAQH/
MB0GA1UdDgQWBBSskRBTM72+aEH/pwyp5frq5eWKoTAOBgNVHQ8BAf8EBAMCAQYw
CgYIKoZIzj0EAwMDaAAwZQIwQgFGnByvsiVbpTKwSga0kP0e8EeDS4+sQmTvb7vn
53O5+FRXgeLhpJ06ysC5PrOyAjEAp5U4xDgEgllF7En3VcE3iexZZtKeYnpqtijV
oyFraWVIyd/dganmrduC1bmTBGwD
-----END CERTIFICATE-----
"""
#: The authenticator's id by the environment that an app was built for.
ENVIRONMENTS = {"production": b"appattest" + bytes(7), "development": b"appattestdevelop"}

_NONCE = x509.ObjectIdentifier("1.2.840.113635.100.8.2")
# The DER of a sequence with an octet string of 32 bytes, tagged 1, before these bytes.
_NONCE_HEAD = bytes.fromhex("3024a1220420")
_APP_ID = re.compile(r"[A-Z0-9]{10}\.[A-Za-z0-9._-]{1,155}\Z")
_ATTESTED = 0x40
_UNREADABLE = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class AppAttestGate(Gate):
    """Takes a fresh key's attestation by an app, `app_id`: the team's id, a dot, the bundle's.

    `environment` is the one that the app was built for. `root` is a PEM text, or the path of one.
    """

    name = "app_attest"
    longest = 16_384

    def __init__(
        self,
        *,
        app_id: str,
        environment: str = "production",
        max_age: int = 300,
        root: str = APPLE_ROOT,
        fail_open: bool = False,
    ) -> None:
        super().__init__(fail_open=fail_open)
        if not _APP_ID.match(app_id):
            raise ValueError("app_id is a team's id of ten characters, a dot, and the bundle's id")
        if environment not in ENVIRONMENTS:
            raise ValueError(f"environment is one of {', '.join(ENVIRONMENTS)}")
        self._app = hashlib.sha256(app_id.encode()).digest()
        self._aaguid = ENVIRONMENTS[environment]
        self.development = environment == "development"
        self.max_age = max_age
        pem = root if root.lstrip().startswith("-----BEGIN") else Path(root).read_text("ascii")
        self._root = x509.load_pem_x509_certificate(pem.encode())

    @sensitive_variables()
    def verify(self, token: str, *, remote_ip: str, action: str, subject: str) -> Result:
        """Take `1.<seconds>.<key id>.<attestation>`; see docs/gates.md."""
        opened = app_tokens.opened(self.presented(token), 2, self.max_age)
        key_id, attestation = (app_tokens.decoded(part) for part in opened.contents)
        asked = app_tokens.digest(action, subject, opened.moment)
        self.verify_attestation(attestation, key_id, asked)
        return Result(key_id.hex(), self.max_age + 2 * app_tokens.AHEAD)

    @sensitive_variables()
    def verify_attestation(self, attestation: bytes, key_id: bytes, asked: bytes) -> None:
        """Take the nine steps of Apple's guide; `asked` is the client data hash."""
        certificates, authenticator = _taken_apart(attestation)
        try:
            leaf = _chain(certificates, self._root)
            key = _key_of(leaf)
            nonce = leaf.extensions.get_extension_for_oid(_NONCE).value
        except _UNREADABLE:
            raise GateRefused("invalid") from None
        if not hmac.compare_digest(hashlib.sha256(key).digest(), key_id):
            raise GateRefused("invalid")
        self._inspect(authenticator, key_id)
        signed = hashlib.sha256(authenticator + asked).digest()
        found = nonce.value if isinstance(nonce, x509.UnrecognizedExtension) else b""
        if not hmac.compare_digest(found, _NONCE_HEAD + signed):
            raise GateRefused("wrong_subject")

    def check(self) -> Iterable[CheckMessage]:
        """Report a missing library."""
        if not find_spec("cbor2"):
            yield Error(
                "The gate of App Attest needs cbor2, which is not installed.",
                hint="Install django-verify[attest].",
                id="django_verify.E044",
            )

    def _inspect(self, data: bytes, key_id: bytes) -> None:
        """Look at the authenticator data: app, flags, counter, environment, key."""
        if len(data) < 87 or not data[32] & _ATTESTED or data[53:55] != (32).to_bytes(2):
            raise GateRefused("invalid")
        if not hmac.compare_digest(data[:32], self._app):
            raise GateRefused("wrong_app")
        if data[33:37] != bytes(4) or not hmac.compare_digest(data[55:87], key_id):
            raise GateRefused("invalid")
        if data[37:53] != self._aaguid:
            raise GateRefused("wrong_app")


@sensitive_variables()
def _taken_apart(attestation: bytes) -> tuple[list[bytes], bytes]:
    """Return the two certificates and the authenticator data of an attestation object."""
    import cbor2  # noqa: PLC0415 - an extra

    try:
        read: Any = cbor2.loads(attestation)
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        raise GateRefused("invalid") from None
    if not isinstance(read, dict) or read.get("fmt") != "apple-appattest":
        raise GateRefused("invalid")
    statement, data = read.get("attStmt"), read.get("authData")
    chain = statement.get("x5c") if isinstance(statement, dict) else None
    if not (isinstance(chain, list) and len(chain) == 2 and isinstance(data, bytes)):
        raise GateRefused("invalid")
    if not all(isinstance(one, bytes) for one in chain):
        raise GateRefused("invalid")
    return chain, data


def _chain(certificates: list[bytes], root: x509.Certificate) -> x509.Certificate:
    """Return the device's certificate, once the chain up to the root holds now.

    Raises ValueError or InvalidSignature. Written out, because the library's own verifier knows
    certificates of the web alone.
    """
    leaf, between = (x509.load_der_x509_certificate(one) for one in certificates)
    now = dt.datetime.now(dt.UTC)
    for one in (leaf, between, root):
        if not one.not_valid_before_utc <= now <= one.not_valid_after_utc:
            raise ValueError("not valid at this time")
    leaf.verify_directly_issued_by(between)
    between.verify_directly_issued_by(root)
    for one, is_authority in ((leaf, False), (between, True), (root, True)):
        if _may_certify(one) != is_authority:
            raise ValueError("not what it stands for")
    return leaf


def _may_certify(certificate: x509.Certificate) -> bool:
    """Whether a certificate is an authority's; raise ValueError for demands that we do not know."""
    known = {x509.OID_BASIC_CONSTRAINTS, x509.OID_KEY_USAGE}
    constraints = usage = None
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in known:
            raise ValueError("a critical extension is unknown")
        if isinstance(extension.value, x509.BasicConstraints):
            constraints = extension.value
        elif isinstance(extension.value, x509.KeyUsage):
            usage = extension.value
    return bool(constraints and constraints.ca and usage and usage.key_cert_sign)


def _key_of(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise TypeError("not a key of App Attest")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
