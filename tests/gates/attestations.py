"""An Apple of the tests' own: a root, what it certifies, and the attestations of its devices."""

import base64
import datetime as dt
import hashlib
import time
from dataclasses import dataclass, field

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

APP = "ABCDE12345.com.example.app"
NONCE = x509.ObjectIdentifier("1.2.840.113635.100.8.2")
PRODUCTION, DEVELOPMENT = b"appattest" + bytes(7), b"appattestdevelop"


def key():
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    subject, public, issuer, signer, *, authority=True, days=(-1, 1), extensions=(), usage=None
):
    now = dt.datetime.now(dt.UTC)
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)
    ]
    sign = authority if usage is None else usage
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(not sign, False, False, False, False, sign, sign, False, False),
            critical=True,
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, SHA256())


@dataclass
class Apple:
    """A root and the authority below it, each of which a test may make differently."""

    root_key: ec.EllipticCurvePrivateKey = field(default_factory=key)
    between_key: ec.EllipticCurvePrivateKey = field(default_factory=key)

    def __post_init__(self):
        public = self.root_key.public_key()
        self.root = certificate("Root", public, "Root", self.root_key)
        self.between = self.authority()

    def authority(self, **values):
        public = self.between_key.public_key()
        return certificate("Between", public, "Root", self.root_key, **values)

    @property
    def pem(self):
        return self.root.public_bytes(Encoding.PEM).decode()


# Made now, for a test may have another time.
_APPLE = Apple()


def apple():
    return _APPLE


def digest(action, subject, moment):
    text = f"django-verify.gate.1\n{action}\n{moment}\n{subject}"
    return hashlib.sha256(text.encode()).digest()


@dataclass
class Device:
    """One key of one device; every value may be received otherwise."""

    action: str = "start"
    subject: str = "+49 151 23456789"
    moment: int = 0
    app: str = APP
    aaguid: bytes = PRODUCTION
    counter: int = 0
    flags: int = 0x40
    credential: bytes | None = None
    key_id: bytes | None = None
    by: Apple | None = None
    between: x509.Certificate | None = None
    leaf: dict = field(default_factory=dict)
    curve: ec.EllipticCurve = field(default_factory=ec.SECP256R1)
    nonce_head: bytes = bytes.fromhex("3024a1220420")
    nonce_oid: x509.ObjectIdentifier = NONCE
    issuer: str = "Between"

    def __post_init__(self):
        self.moment = self.moment or int(time.time())
        self.by = self.by or apple()
        self.key = ec.generate_private_key(self.curve)
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.hash = hashlib.sha256(point).digest()
        self.key_id = self.hash if self.key_id is None else self.key_id

    def authenticator_data(self):
        credential = self.hash if self.credential is None else self.credential
        head = hashlib.sha256(self.app.encode()).digest() + bytes([self.flags])
        known = self.counter.to_bytes(4) + self.aaguid + len(credential).to_bytes(2) + credential
        return head + known + cbor2.dumps({1: 2, 3: -7})

    def parts(self):
        data = self.authenticator_data()
        asked = digest(self.action, self.subject, self.moment)
        nonce = self.nonce_head + hashlib.sha256(data + asked).digest()
        extension = x509.UnrecognizedExtension(self.nonce_oid, nonce)
        values = {"authority": False, "extensions": [(extension, False)], **self.leaf}
        values["extensions"] = [*values["extensions"]]
        leaf = certificate(
            "Device", self.key.public_key(), self.issuer, self.by.between_key, **values
        )
        chain = [leaf, self.between or self.by.between]
        der = [one.public_bytes(Encoding.DER) for one in chain]
        return {
            "fmt": "apple-appattest",
            "attStmt": {"x5c": der, "receipt": b"receipt"},
            "authData": data,
        }

    def token(self, attestation=None):
        raw = cbor2.dumps(self.parts()) if attestation is None else attestation
        return f"1.{self.moment}.{base64url(self.key_id)}.{base64url(raw)}"


def base64url(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
