"""Hands our code to Twilio Verify, which sends it by its own numbers and texts.

The code stays ours, and so does its check; Twilio is asked to carry it (`CustomCode`), and gets a
report of what became of the verification.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

from django_verify.net import client
from django_verify.senders import rest
from django_verify.senders.base import REQUEST, UNSUITED, Message, Receipt, TemporarySendError
from django_verify.senders.causes import by_code

CHANNELS = frozenset({"sms", "call", "whatsapp", "email"})
#: The lengths of a code that Twilio carries.
_CODE = re.compile(r"[0-9A-Za-z]{4,10}\Z")
_SERVICE = re.compile(r"VA[0-9a-fA-F]{32}\Z")
# The last line of a text for Android's SMS Retriever.
_APP_HASH = re.compile(r"\A<#> .*\n([0-9A-Za-z+/]{11})\Z", re.DOTALL)
# The one parameter whose fault is the recipient's; Twilio's text names it, with or without marks.
_RECIPIENT = re.compile(r"Invalid parameter:? `?To\b")
# What Twilio holds back by its own guard and the account's countries: another sender may do.
_BLOCKED = frozenset({"60220", "60238", "60250", "60410", "60605"})
# The verification is over there, or was never known: nothing is left to report.
_GONE = 404


class TwilioVerifySender(rest.RestSender):
    """Verifications of the service `service_sid`; `channels` are any of sms, call, whatsapp, email.

    It signs in with `auth_token`, or with `api_key` and `api_secret`. Custom codes must be enabled
    in that service, whose name, text and languages are what people get. `template_sid` with
    `substitutions` chooses a template of texts and calls, `friendly_name` another name than the
    service's. `waits_for_key` states that the service waits for a key before it speaks
    (`DtmfInputRequired`).
    """

    takes_outcomes = True
    # A landline, an invalid number, opted out, no mobile number.
    permanent = frozenset({"60205", "21211", "21217", "21610", "21614"})
    # Too many requests, sends, sends at once, and messages in an hour.
    temporary = frozenset({"20429", "60203", "60212", "60728"})
    # Credentials, a suspended account, a trial's numbers, SendGrid's credits and permissions.
    account = frozenset({"20003", "20005", "20006", "21608", "60603", "60604"})
    causes = by_code(
        credentials="20003",
        account="20005 20006 20008 20010 21608 60204 60238 60604 60624",
        balance="60245 60603",
        country="21215 21408 60220 60605",
        registration="60201 60226 60242 60250",
        configuration=(
            "20404 60200 60206 60214 60217 60218 60219 60222 60223 60224 60227 60228 60229 60253"
            " 60331 60408 68008"
        ),
        not_mobile="21614 60205",
        invalid_number="21211 21217",
        opted_out="21610",
        spam="60410",
        rate_limited="20429 60203 60212 60728",
        provider_down="20500 20503",
    )
    error_list = "https://www.twilio.com/docs/api/errors"

    def __init__(
        self,
        alias: str,
        *,
        service_sid: str,
        account_sid: str = "",
        auth_token: str = "",
        api_key: str = "",
        api_secret: str = "",
        channels: Collection[str] = ("sms", "call"),
        template_sid: str = "",
        substitutions: Mapping[str, str] | None = None,
        friendly_name: str = "",
        waits_for_key: bool = False,
        base_url: str = "https://verify.twilio.com",
    ) -> None:
        super().__init__(alias)
        if not _SERVICE.match(service_sid):
            raise ValueError("service_sid is VA and 32 hexadecimal digits")
        if bool(api_key) != bool(api_secret):
            raise ValueError("an API key needs both api_key and api_secret")
        if not (api_key or (account_sid and auth_token)):
            raise ValueError("give account_sid and auth_token, or api_key and api_secret")
        if isinstance(channels, str) or not channels or not CHANNELS.issuperset(channels):
            raise ValueError(f"channels is a list of {', '.join(sorted(CHANNELS))}")
        if substitutions and not template_sid:
            raise ValueError("substitutions need a template_sid")
        self.channels, self.waits_for_key = frozenset(channels), waits_for_key
        self.auth = (api_key, api_secret) if api_key else (account_sid, auth_token)
        self.template = rest.fields(
            TemplateSid=template_sid,
            TemplateCustomSubstitutions=json.dumps(dict(substitutions)) if substitutions else "",
        )
        self.friendly_name = friendly_name
        self.url = f"{base_url}/v2/Services/{service_sid}/Verifications"

    def request(self, message: Message) -> rest.Request:
        """Ask for a verification with our code."""
        if not _CODE.match(message.code):
            raise TemporarySendError("the provider does not carry such a code", fault=UNSUITED)
        form = {"To": message.to, "Channel": message.channel, "CustomCode": message.code}
        form |= rest.fields(
            CustomFriendlyName=self.friendly_name, Amount=message.amount, Payee=message.payee
        )
        if message.channel == "email":
            form |= rest.fields(ChannelConfiguration=_configuration(message))
        else:
            form |= {"Locale": message.locale}
        if message.channel in {"sms", "call"}:
            form |= self.template
        if message.channel == "sms" and (found := _APP_HASH.search(message.body)):
            form |= {"AppHash": found[1]}
        if message.channel == "call":
            if message.prompt and not self.waits_for_key:
                raise TemporarySendError("the provider cannot wait for a key", fault=UNSUITED)
            form |= rest.fields(SendDigits=message.send_digits)
        return rest.Request(self.url, form=form, auth=self.auth)

    def receipt(self, data: object) -> Receipt:
        """Read the SID of the verification there, which all its messages share."""
        return Receipt(rest.pick(data, "sid"))

    def error(self, data: object) -> str:
        """Read the number of Twilio's error; an acceptance has none."""
        return rest.pick(data, "code")

    def refuses_recipient(self, data: object, code: str) -> bool:
        """Whether the number is wrong; one number of Twilio's is for every parameter."""
        if code == "60200":
            return bool(_RECIPIENT.match(rest.pick(data, "message")))
        return super().refuses_recipient(data, code)

    def report_outcome(self, provider_sid: str, outcome: str) -> None:
        """Report that our verification was approved or canceled, so that Twilio counts it right.

        Raises TemporarySendError where that may succeed later. One that Twilio knows no longer is
        over there, and counts as reported.
        """
        url, form = f"{self.url}/{quote(provider_sid, safe='')}", {"Status": outcome}
        try:
            answer = client.call("POST", url, form=form, auth=self.auth, read=2.0, total=4.0)
        except client.TransportError:
            raise TemporarySendError("the provider could not be reached") from None
        if not (200 <= answer.status < 300 or answer.status == _GONE):
            code = self.shown(self.error(self.decode(answer))) or str(answer.status)
            fault = self._fault(answer.status, code)
            raise TemporarySendError(rest.REFUSALS[fault], code=code, fault=fault)

    def _fault(self, status: int, code: str) -> str:
        return REQUEST if code in _BLOCKED else super()._fault(status, code)


def _configuration(message: Message) -> str:
    """Return what a caller has chosen for an e-mail, as Twilio reads it; empty for nothing."""
    chosen: dict[str, Any] = rest.fields(
        from_=message.from_email, from_name=message.from_name, template_id=message.template_id
    )
    if message.substitutions:
        chosen["substitutions"] = dict(message.substitutions)
    return json.dumps(chosen) if chosen else ""
