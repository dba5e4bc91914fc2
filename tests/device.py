"""A phone with a push factor, as the published device SDKs behave; it shares no code with the server."""

import base64
import hashlib
import http.client
import json
import time
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from urllib.parse import quote, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FORM = "application/x-www-form-urlencoded"
FCM_TOKEN = "fcm-token:" + "a" * 40
APN_TOKEN = "0f" * 32


def base64url(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def segment(value):
    return base64url(json.dumps(value, separators=(",", ":")).encode())


def basic(name, secret):
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


class Phone:
    """One installation of an app: a key pair, what it knows of its factor, a clock of its own.

    `send(method, path, headers, body)` reaches the server and answers status, headers and JSON.
    """

    platform = "fcm"
    token = FCM_TOKEN

    def __init__(self, send, service_sid, identity):
        self.send = send
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.service = f"Services/{service_sid}"
        self.root = f"{self.service}/Entities/{identity}"
        self.factor = None
        self.clock_error = self.offset = 0

    # How a platform writes a request.

    def encoded(self, form):
        return urlencode(form)

    def page(self, token):
        return {"PageToken": token}

    def written(self, payload):
        """An answer's JSON in the platform's own order."""
        return json.dumps(payload, separators=(",", ":"))

    # Keys and signatures.

    @property
    def public_key(self):
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def der_signature(self, message):
        return base64.b64encode(self.key.sign(message, ec.ECDSA(SHA256()))).decode()

    def jws(self, header, payload):
        """A compact JWS; the payload is a text or an object."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        signed = f"{segment(header)}.{base64url(text.encode())}"
        digest = hashlib.sha256(signed.encode()).digest()
        der = self.key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256())))
        r, s = utils.decode_dss_signature(der)
        return f"{signed}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def now(self):
        return int(time.time()) + self.clock_error + self.offset

    def device_token(self, header=None, **claims):
        named = {"cty": "twilio-pba;v=1", "typ": "JWT", "alg": "ES256"}
        named |= {"kid": self.factor["config"]["credential_sid"], **(header or {})}
        now = self.now()
        received = {"sub": self.factor["account_sid"], "exp": now + 600, "nbf": now, **claims}
        return self.jws(named, received)

    # Requests.

    def ask(self, method, path, form=None, query=None):
        """A request with a fresh token; after a 401 once more, by the server's clock."""
        for turn in range(2):
            headers = {"Authorization": basic("token", self.device_token()), "Content-Type": FORM}
            if method == "GET":
                headers["Accept"] = FORM
            where = path + ("?" + urlencode(query) if query else "")
            answer = self.send(method, where, headers, self.encoded(form) if form else "")
            if answer.status != 401 or turn or "Date" not in answer.headers:
                return answer
            theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            self.offset = int(theirs) - int(time.time()) - self.clock_error
        return answer

    def enrolment(self, **more):
        form = {
            "FriendlyName": "Phone",
            "FactorType": "push",
            "Binding.PublicKey": self.public_key,
            "Binding.Alg": "ES256",
            "Config.SdkVersion": "1.2.3",
            "Config.AppId": "com.example.app",
            "Config.NotificationPlatform": self.platform,
            "Config.NotificationToken": self.token,
            **more,
        }
        return {name: value for name, value in form.items() if value is not None}

    def enrol(self, access_token, **more):
        headers = {"Authorization": basic("token", access_token), "Content-Type": FORM}
        body = self.encoded(self.enrolment(**more))
        answer = self.send("POST", f"{self.root}/Factors", headers, body)
        if answer.status == 201:
            self.factor = answer.data
            # What the parsers of both platforms cannot do without.
            for name in ("sid", "friendly_name", "account_sid", "date_created", "status"):
                assert isinstance(self.factor[name], str)
            assert isinstance(self.factor["config"]["credential_sid"], str)
        return answer

    @property
    def itself(self):
        return f"{self.root}/Factors/{self.factor['sid']}"

    def verify(self):
        proof = self.der_signature(self.factor["sid"].encode())
        return self.ask("POST", self.itself, {"AuthPayload": proof})

    def update(self, **form):
        return self.ask("POST", self.itself, form)

    def delete(self):
        return self.ask("DELETE", self.itself)

    def poll(self, size=20):
        """Every challenge that waits, over all pages."""
        query = {"PageSize": size, "FactorSid": self.factor["sid"], "Order": "asc"}
        query["Status"] = "pending"
        found = []
        while True:
            answer = self.ask("GET", f"{self.root}/Challenges", query=query)
            assert answer.status == 200, answer.data
            found += answer.data["challenges"]
            after = answer.data["meta"]["next_page_url"]
            if not after:
                return found
            token = dict(pair.split("=") for pair in urlsplit(after).query.split("&"))["PageToken"]
            query = {**query, **self.page(token)}

    def challenge(self, sid):
        return self.ask("GET", f"{self.root}/Challenges/{sid}")

    def payload(self, sid, status):
        """What is to be signed: the listed members as received, and the decision."""
        answer = self.challenge(sid)
        assert answer.status == 200, answer.data
        assert answer.data["status"] == "pending"
        assert answer.data["factor_sid"] == self.factor["sid"]
        names = answer.headers["Twilio-Verify-Signature-Fields"].split(",")
        return {**{name: answer.data[name] for name in names}, "status": status}

    def signed(self, payload):
        return self.jws({"typ": "JWT", "alg": "ES256"}, self.written(payload))

    def answer(self, sid, status):
        """Approve or deny, and look whether it is so."""
        proof = self.signed(self.payload(sid, status))
        answer = self.ask("POST", f"{self.root}/Challenges/{sid}", {"AuthPayload": proof})
        if answer.status == 200:
            assert self.challenge(sid).data["status"] == status
        return answer


class Iphone(Phone):
    """Escapes `/`, orders names in its own way, leaves base64 as it is in a form."""

    platform = "apn"
    token = APN_TOKEN

    def encoded(self, form):
        return "&".join(f"{name}={quote(value, safe='=&/')}" for name, value in form.items())

    def page(self, token):
        return {"pageToken": token}

    def written(self, payload):
        turned = dict(sorted(payload.items(), reverse=True))
        return json.dumps(turned, indent=1).replace("/", "\\/")


def through(client, root="/v2/"):
    """Reach the server through Django's test client."""

    def send(method, path, headers, body):
        named = {name.lower(): value for name, value in headers.items()}
        kind = named.pop("content-type")
        answer = client.generic(method, root + path, body, content_type=kind, headers=named)
        data = json.loads(answer.content) if answer.content else None
        return SimpleNamespace(status=answer.status_code, headers=answer.headers, data=data)

    return send


def over(url, root="/v2/"):
    """Reach a live server; header names are compared letter by letter."""

    def send(method, path, headers, body):
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        try:
            connection.request(method, root + path, body or None, headers)
            answer = connection.getresponse()
            text, received = answer.read(), answer.getheaders()
        finally:
            connection.close()
        assert len([name for name, _ in received if name.lower() == "date"]) == 1
        data = json.loads(text) if text else None
        return SimpleNamespace(status=answer.status, headers=dict(received), data=data)

    return send
