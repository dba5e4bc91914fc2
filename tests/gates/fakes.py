"""Providers' verifying APIs on loopback, each as its documentation has it.

Nothing here is shared with the gates, but the envelope that apps write, which is written anew.
"""

import base64
import hashlib
import json
import time
from functools import cache

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.senders.fakes import Fake

IP, PHONE = "203.0.113.7", "+49 151 23456789"
SECRET = "0x4AAA-s3cret"
HOST = "www.example.com"


def base64url(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class SiteVerify(Fake):
    """A `siteverify` address: tokens are `good…`, each known once, `old…` and anything else."""

    codes = {
        "secret": "invalid-input-secret",
        "old": "timeout-or-duplicate",
        "used": "timeout-or-duplicate",
    }

    def __init__(self):
        super().__init__()
        self.seen, self.more = set(), {}

    def answer(self, asked):
        form = asked.form
        assert asked.method == "POST"
        token = form.get("response", "")
        if form.get("secret") != SECRET:
            return self.refuse(self.codes["secret"])
        if token.startswith("old"):
            return self.refuse(self.codes["old"])
        if not token.startswith("good"):
            return self.refuse("invalid-input-response")
        if token in self.seen:
            return self.refuse(self.codes["used"])
        self.seen.add(token)
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        answer = {"success": True, "challenge_ts": moment, "hostname": HOST, "error-codes": []}
        return 200, answer | self.said(token) | self.more

    def said(self, token):
        return {}

    @staticmethod
    def refuse(*codes):
        return 200, {"success": False, "error-codes": list(codes)}


class Turnstile(SiteVerify):
    """challenges.cloudflare.com/turnstile/v0/siteverify."""

    def said(self, token):
        return {"action": "start", "cdata": ""}


class HCaptcha(SiteVerify):
    """api.hcaptcha.com/siteverify, for one site key."""

    sitekey = "10000000-ffff-ffff-ffff-000000000001"
    codes = {
        "secret": "invalid-input-secret",
        "old": "expired-input-response",
        "used": "already-seen-response",
    }

    def answer(self, asked):
        if asked.form.get("sitekey", self.sitekey) != self.sitekey:
            return self.refuse("sitekey-secret-mismatch")
        return super().answer(asked)


class Recaptcha(SiteVerify):
    """www.google.com/recaptcha/api/siteverify, v3."""

    def said(self, token):
        return {"action": "start", "score": 0.1 if token.startswith("good-but-odd") else 0.9}


@cache
def service_key():
    return rsa.generate_private_key(65537, 2048)


class Google(Fake):
    """The token endpoint of a service account, and `decodeIntegrityToken` of one app."""

    package = "com.example.app"
    email = "gate@our-project.iam.gserviceaccount.com"
    certificate = base64url(hashlib.sha256(b"signing certificate").digest())

    def __init__(self):
        super().__init__()
        self.access, self.payloads = "ya29.one", {}

    def service_account(self):
        pem = service_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        known = {"type": "service_account", "private_key_id": "k1", "private_key": pem.decode()}
        return json.dumps(known | {"client_email": self.email, "token_uri": f"{self.url}/token"})

    def issue(self, action, subject, *, moment=None, name="token", **changes):
        """What an app sends: the envelope around a token that this fake can decode."""
        moment = int(time.time()) if moment is None else moment
        text = f"django-verify.gate.1\n{action}\n{moment}\n{subject}"
        payload = {
            "requestDetails": {
                "requestPackageName": self.package,
                "requestHash": base64url(hashlib.sha256(text.encode()).digest()),
                "timestampMillis": str(moment * 1000 + 417),
            },
            "appIntegrity": {
                "appRecognitionVerdict": "PLAY_RECOGNIZED",
                "packageName": self.package,
                "certificateSha256Digest": [self.certificate],
                "versionCode": "42",
            },
            "deviceIntegrity": {"deviceRecognitionVerdict": ["MEETS_DEVICE_INTEGRITY"]},
            "accountDetails": {"appLicensingVerdict": "LICENSED"},
        }
        for path, value in changes.items():
            part, key = path.split("__")
            payload[part] = {**payload[part], key: value}
        token = f"eyJhbGciOiJBMjU2S1ci.{name}.aXY.Y2lwaGVy.dGFn"
        self.payloads[token] = payload
        return f"1.{moment}.{token}"

    def answer(self, asked):
        if asked.path == "/token":
            return self.grant(asked.form)
        assert asked.path == f"/v1/{self.package}:decodeIntegrityToken"
        if asked.authorization != f"Bearer {self.access}":
            return 401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}}
        if (payload := self.payloads.get(asked.json["integrity_token"])) is None:
            return 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT"}}
        return 200, {"tokenPayloadExternal": payload}

    def grant(self, form):
        head, claims, signature = form["assertion"].split(".")
        raw = base64.urlsafe_b64decode(signature + "==")
        service_key().public_key().verify(
            raw, f"{head}.{claims}".encode(), padding.PKCS1v15(), SHA256()
        )
        said = json.loads(base64.urlsafe_b64decode(claims + "=="))
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        assert said["iss"] == self.email
        assert said["aud"] == "https://oauth2.googleapis.com/token"
        assert said["scope"] == "https://www.googleapis.com/auth/playintegrity"
        assert said["iat"] <= time.time() < said["exp"] <= said["iat"] + 3600
        return 200, {"access_token": self.access, "expires_in": 3599, "token_type": "Bearer"}
