"""The parts of `cryptography` that the app uses, imported when the first of them is used."""

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

__all__ = [
    "AESGCM",
    "SHA256",
    "Cipher",
    "Ed25519PrivateKey",
    "Encoding",
    "InvalidSignature",
    "InvalidTag",
    "PublicFormat",
    "UnsupportedAlgorithm",
    "algorithms",
    "decode_dss_signature",
    "ec",
    "encode_dss_signature",
    "load_der_public_key",
    "load_pem_private_key",
    "modes",
]
