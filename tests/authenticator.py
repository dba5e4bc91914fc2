"""A software authenticator: P-256, CBOR by hand, attestation `none`; nothing of ours is in it."""

import base64
import hashlib
import json
import secrets

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40


def b64(raw):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value):
    """The few types of CBOR that an attestation needs; maps keep their order."""
    match value:
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            return _head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())
    raise TypeError(value)


def _head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    size = 1 if number < 256 else 2 if number < 65536 else 4
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26}[size]]) + number.to_bytes(size)


class Authenticator:
    """One credential of one relying party. What it signs can be changed by keyword."""

    def __init__(self, rp_id="example.com", origin="https://example.com", flags=UP | UV, **values):
        self.rp_id, self.origin, self.flags = rp_id, origin, flags
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = values.get("id") or secrets.token_bytes(32)
        self.count = values.get("count", 0)
        self.user_handle = b""

    def cose(self):
        """The public key, as COSE has it."""
        point = self.key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}

    def sign(self, data):
        return self.key.sign(data, ec.ECDSA(SHA256()))

    def client_data(self, kind, challenge, **members):
        data = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**data, **members}).encode()

    def data(self, flags, rp_id=None):
        party = hashlib.sha256((rp_id or self.rp_id).encode()).digest()
        return party + bytes([flags]) + self.count.to_bytes(4)

    def create(self, options, *, flags=None, rp_id=None, cose=None, attestation=None, **members):
        """What `navigator.credentials.create` gives for the options, as JSON."""
        asked = options["publicKey"]
        self.user_handle = unb64(asked["user"]["id"])
        data = self.data((self.flags if flags is None else flags) | AT, rp_id)
        data += bytes(16) + len(self.id).to_bytes(2) + self.id + cbor(cose or self.cose())
        made = {"fmt": "none", "attStmt": {}, "authData": data, **(attestation or {})}
        client_data = self.client_data("webauthn.create", asked["challenge"], **members)
        return self.credential(
            attestationObject=b64(cbor(made)),
            clientDataJSON=b64(client_data),
            transports=["internal"],
        )

    def get(self, options, *, flags=None, rp_id=None, **members):
        """What `navigator.credentials.get` gives for the options, as JSON."""
        client_data = self.client_data("webauthn.get", options["publicKey"]["challenge"], **members)
        data = self.data(self.flags if flags is None else flags, rp_id)
        signed = data + hashlib.sha256(client_data).digest()
        return self.credential(
            authenticatorData=b64(data),
            clientDataJSON=b64(client_data),
            signature=b64(self.sign(signed)),
            userHandle=b64(self.user_handle),
        )

    def credential(self, **response):
        return {
            "id": b64(self.id),
            "rawId": b64(self.id),
            "authenticatorAttachment": "platform",
            "type": "public-key",
            "response": response,
        }


class RsaAuthenticator(Authenticator):
    """One with a key for RS256, as the TPMs behind Windows Hello have it."""

    def __init__(self, bits=2048, like=None, **values):
        super().__init__(**values)
        self.key = rsa.generate_private_key(65537, bits)
        if like is not None:
            self.id, self.user_handle = like.id, like.user_handle

    def cose(self):
        numbers = self.key.public_key().public_numbers()
        size = self.key.key_size // 8
        return {1: 3, 3: -257, -1: numbers.n.to_bytes(size), -2: numbers.e.to_bytes(3)}

    def sign(self, data):
        return self.key.sign(data, padding.PKCS1v15(), SHA256())
