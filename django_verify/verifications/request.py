"""The start request: what a caller asks of a start, as it was given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from django_verify.db.config_cache import Known
from django_verify.limits.counters import Meter
from django_verify.models import ClientVerification


class StartOptions(TypedDict, total=False):
    """The keywords of `verifications.start`, for type checkers; `StartRequest` has them all."""

    locale: str
    custom_friendly_name: str
    custom_code: str
    amount: str
    payee: str
    app_hash: str
    autofill_domain: str | None
    send_digits: str
    device_ip: str
    tags: Mapping[str, str]
    template_sid: str
    template_custom_substitutions: Mapping[str, str]
    channel_configuration: Mapping[str, Any]
    enable_sna_client_token: bool
    rate_limits: Mapping[str, str] | None
    meters: Sequence[Meter]
    client: ClientVerification | None
    risk_check: bool
    network: str
    device_id: str
    asked_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a caller asks of a start, as it was given; each face builds one."""

    #: A telephone number in E.164, or an e-mail address.
    to: str = field(repr=False)
    #: `sms`, `call`, `whatsapp`, `telegram`, `rcs`, `email`, `sna` or `auto`.
    channel: str = "sms"
    #: The language of the message, such as `pt-BR`; empty: by the number's country.
    locale: str = ""
    #: A brand in place of the service's.
    custom_friendly_name: str = ""
    #: A code of the caller's own; the service must allow it.
    custom_code: str = field(default="", repr=False)
    #: What is paid, and to whom, where the service is under PSD2.
    amount: str = field(default="", repr=False)
    payee: str = field(default="", repr=False)
    #: The 11 characters by which Android hands an SMS to the app.
    app_hash: str = ""
    #: The site that the code of an SMS is bound to: None for the service's, "" for none.
    autofill_domain: str | None = None
    #: Keys that are dialled after the answer, on a call.
    send_digits: str = ""
    #: The person's IP, by which `auto` sees whether silent authentication may do.
    device_ip: str = ""
    #: What events about the verification repeat, by name.
    tags: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: A template in place of the service's, and the values of its own placeholders.
    template_sid: str = ""
    template_custom_substitutions: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Sender and template of an e-mail, or the channels that are wished for, in their order.
    channel_configuration: Mapping[str, Any] = field(default_factory=dict, repr=False)
    #: Whether the URL of silent authentication answers a token that the check must repeat.
    enable_sna_client_token: bool = False
    #: Limits of the service by name, each with the value that this start counts for.
    rate_limits: Mapping[str, str] | None = field(default=None, repr=False)
    #: Limits of the caller's own.
    meters: Sequence[Meter] = ()
    #: The caller without credentials whose verification it is; None for an account's.
    client: ClientVerification | None = None
    #: False: the account vouches for the recipient, which then passes countries and the guard.
    risk_check: bool = True
    #: Where the person asks from, as limits count it, and the device's own word of itself.
    network: str = field(default="", repr=False)
    device_id: str = field(default="", repr=False)
    #: When the caller asked; None for now.
    asked_at: dt.datetime | None = None
    #: The copies in memory by which a face let the caller in; None for what it has just read.
    known: Known | None = field(default=None, repr=False)
