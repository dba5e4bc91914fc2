"""A server on loopback that answers reads as the vendor's OpenAPI document says."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ACCOUNT = "AC" + "a" * 32
TOKEN = "0123456789abcdef0123456789abcdef"
CREATED = "2015-07-30T20:00:00Z"


def sid(prefix, number=1):
    return f"{prefix}{number:032x}"


def service(number=1, **values):
    """A service as it is when only its name was given; members that are null are unset."""
    return {
        "sid": sid("VA", number),
        "account_sid": ACCOUNT,
        "friendly_name": "Shop",
        "code_length": 6,
        "lookup_enabled": False,
        "psd2_enabled": False,
        "skip_sms_to_landlines": False,
        "dtmf_input_required": True,
        "tts_name": None,
        "do_not_share_warning_enabled": False,
        "custom_code_enabled": False,
        "push": {"include_date": False, "apn_credential_sid": None, "fcm_credential_sid": None},
        "totp": {"issuer": None, "time_step": None, "code_length": None, "skew": None},
        "whatsapp": {"msg_service_sid": None, "from": None},
        "passkeys": {
            "relying_party": {"id": None, "name": None, "origins": None},
            "authenticator_attachment": None,
            "discoverable_credentials": None,
            "user_verification": None,
        },
        "default_template_sid": None,
        "verify_event_subscription_enabled": False,
        "date_created": CREATED,
        "date_updated": CREATED,
        "url": f"https://verify.twilio.com/v2/Services/{sid('VA', number)}",
        "links": {
            "webhooks": f"https://verify.twilio.com/v2/Services/{sid('VA', number)}/Webhooks"
        },
        **values,
    }


def below(number=1):
    """The members of everything that belongs to a service."""
    return {
        "account_sid": ACCOUNT,
        "service_sid": sid("VA", number),
        "date_created": CREATED,
        "date_updated": CREATED,
        "url": f"https://verify.twilio.com/v2/Services/{sid('VA', number)}",
    }


def rate_limit(number=1, unique_name="ip", **values):
    return {
        "sid": sid("RK", number),
        "unique_name": unique_name,
        "description": None,
        "links": {"buckets": "https://verify.twilio.com/v2"},
        **below(),
        **values,
    }


def bucket(number=1, limit=5, interval=60):
    own = {"sid": sid("BL", number), "max": limit, "interval": interval}
    return own | {"rate_limit_sid": sid("RK")} | below()


def configuration(country="US", number=1):
    return {
        "country": country,
        "messaging_service_sid": sid("MG", number),
        **below(),
    }


def webhook(number=1, **values):
    return {
        "sid": sid("YW", number),
        "friendly_name": "Push",
        "event_types": ["factor.verified"],
        "status": "enabled",
        "version": "v2",
        "webhook_url": "https://hooks.example.com/verify?secret=4711",
        "webhook_method": "POST",
        **below(),
        **values,
    }


def template(number=1, **texts):
    """A template; the first SIDs are those of the ready-made ones here."""
    return {
        "sid": sid("HJ", number << 16),
        "account_sid": ACCOUNT,
        "friendly_name": "Base",
        "channels": ["sms", "voice"],
        "translations": {
            locale: {
                "is_default_translation": locale == "en",
                "status": "approved",
                "locale": locale,
                "text": text,
                "date_created": "2021-07-29T20:38:28.165602325Z",
                "date_updated": "2021-07-29T20:38:28.759979905Z",
            }
            for locale, text in texts.items()
        },
    }


class Vendor:
    """Lists and objects by path below `/v2`; `refusals` are answered first, one a request,
    and `refused` by path."""

    def __init__(self):
        outer = self
        self.lists, self.objects = (
            {"Services": ("services", []), "Templates": ("templates", [])},
            {},
        )
        self.refusals, self.refused, self.seen, self.page_size = [], {}, [], 50

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name, _, secret = (
                    base64.b64decode(self.headers["authorization"].removeprefix("Basic "))
                    .decode()
                    .partition(":")
                )
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                path = unquote(parts.path).removeprefix("/v2/")
                outer.seen.append((name, secret, path, query))
                status, headers, body = outer.answer(path, query)
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for header in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def add(self, shown, *, limits=(), configurations=(), webhooks=(), entities=()):
        """Add a service and what belongs to it; `limits` are pairs of a limit and its buckets."""
        under = f"Services/{shown['sid']}"
        self.lists["Services"][1].append(shown)
        self.objects[under] = shown
        self.lists[f"{under}/RateLimits"] = ("rate_limits", [limit for limit, _ in limits])
        for limit, buckets in limits:
            self.lists[f"{under}/RateLimits/{limit['sid']}/Buckets"] = ("buckets", list(buckets))
        self.lists[f"{under}/MessagingConfigurations"] = (
            "messaging_configurations",
            list(configurations),
        )
        self.lists[f"{under}/Webhooks"] = ("webhooks", list(webhooks))
        self.lists[f"{under}/Entities"] = ("entities", list(entities))
        return shown

    def answer(self, path, query):
        if self.refusals:
            return self.refusals.pop(0)
        if path in self.refused:
            return self.refused[path]
        if path in self.objects:
            return 200, {}, self.objects[path]
        if path in self.lists:
            return 200, {}, self._page(path, query)
        return error(404, 20404, f"The requested resource /{path} was not found")

    def _page(self, path, query):
        key, rows = self.lists[path]
        size = min(int(query["PageSize"]), self.page_size)
        first = int(query.get("PageToken", "0"))
        url = f"https://verify.twilio.com/v2/{path}?PageSize={size}"
        following = f"{url}&Page=1&PageToken={first + size}" if rows[first + size :] else None
        meta = {"key": key, "page": 0, "page_size": size, "url": url, "next_page_url": following}
        return {key: rows[first : first + size], "meta": meta}


def error(status, code, message="", **headers):
    body = {"code": code, "message": message, "more_info": "https://…", "status": status}
    return status, headers, body
