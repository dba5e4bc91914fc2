"""Proofs made by hand: right ones, and wrong ones with a right signature."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.utils import timezone

from django_verify import proofs
from django_verify.proofs import ProofRefused, keys
from tests.conftest import PHONE

SID = "CV" + "0" * 32
SERVICE = "VA" + "1" * 32
URL = "https://www.example.com"


def pem(key, encryption=None):
    wrapped = encryption or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, wrapped).decode()


def public_pem(text):
    key = keys._pair("any", text).private.public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


P256 = pem(ec.generate_private_key(ec.SECP256R1()))
OTHER_P256 = pem(ec.generate_private_key(ec.SECP256R1()))
ED25519 = pem(ed25519.Ed25519PrivateKey.generate())
RINGS = {"HS256": {}, "ES256": {"2026-06": P256}, "EdDSA": {"2026-06": ED25519}}


def issue(**values):
    facts = {
        "sid": SID,
        "subject": PHONE,
        "channel": "sms",
        "service_sid": SERVICE,
        "purpose": "sign-up",
        "approved_at": timezone.now(),
    }
    return proofs.issue(**facts | values)


def redeem(token, purpose="sign-up", **values):
    return proofs.redeem(token, purpose=purpose, **values)


def reason(token, purpose="sign-up", **values):
    """Why a proof is refused."""
    with pytest.raises(ProofRefused) as caught:
        proofs.redeem(token, purpose=purpose, **values)
    return caught.value.reason


def segment(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def opened(text):
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def signed(header, claims, key=None):
    """A token with a right signature of the key that its header names, or of `key`."""
    key = key or keys.ring()[header["kid"]]
    parts = [part if isinstance(part, str) else segment(part) for part in (header, claims)]
    message = ".".join(parts)
    return f"{message}.{segment(key.sign(message.encode()))}"
