"""The table of channels: which recipients each accepts, and how it composes a message.

To add a channel: one row in `CHANNELS`. How the message leaves the machine is a sender's matter.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_lazy as _

from django_verify import conf, senders
from django_verify.contact import emails, phones, typed
from django_verify.exceptions import (
    ChannelDisabled,
    EmailNotConfigured,
    InvalidParameter,
    LocaleNotSpoken,
    VerifyError,
    WhatsappNotConfigured,
)
from django_verify.messages import locales
from django_verify.senders import Message
from django_verify.text import confusables, placeholders
from django_verify.text.placeholders import TemplateText

TEXT_LOCALES = tuple(
    "af ar ca cs da de el en es et fi fr he hi hr hu id it ja kn ko lt mr ms nb nl pl pt pt-BR"
    " ro ru sk sv te th tl tr uk vi zh zh-HK".split()
)
SPEECH_LOCALES = tuple(
    "ca da de en en-GB es fi fr it ja ko nb nl pl pt pt-BR ru sv zh zh-HK".split()
)

# Calling code to the locale used when a start names none; the longest prefix wins, else English.
CALLING_CODE_LOCALES = {
    **dict.fromkeys(
        "54 591 56 57 506 53 1809 593 503 502 504 52 505 507 595 51 34 598 58".split(), "es"
    ),
    **dict.fromkeys(("43", "49", "352", "41"), "de"),
    **dict.fromkeys(("32", "33", "377"), "fr"),
    **dict.fromkeys(("39", "378", "379"), "it"),
    **dict.fromkeys(("55", "351"), "pt"),
    **dict.fromkeys(("20", "965", "968", "966", "971"), "ar"),
    "86": "zh",
    "357": "el",
    "372": "et",
    "370": "lt",
    "48": "pl",
    "421": "sk",
    "380": "uk",
    "84": "vi",
    "81": "ja",
    "62": "id",
    "27": "af",
    "44": "en-GB",
    "91": "en",
    "40": "ro",
}
# What ends a sentence where it is not a full stop.
_STOPS = {"ja": "。", "zh": "。", "zh-HK": "。", "th": ""}
_LONGEST_CALLING_CODE = max(map(len, CALLING_CODE_LOCALES))
# The longest recipient that is looked at as a person typed it.
LONGEST_TYPED = 320
# Codes of this length are hard to read in one piece.
LONG = 8
# Longest text that Android's SMS Retriever looks at.
SMS_RETRIEVER_BYTES = 140
_LOCALE_DIR = Path(__file__).parents[1] / "locale"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A destination: as given, the key its budgets are counted under, its ISO 3166 country.

    `number_type` is that of a telephone number; empty for a mailbox.
    """

    to: str = field(repr=False)
    key: str = field(repr=False)
    country: str = ""
    number_type: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a message is composed from; `repr` shows neither code nor recipient."""

    attempt_sid: str
    to: str = field(repr=False)
    code: str = field(repr=False)
    friendly_name: str
    locale: str
    minutes: int
    amount: str | None = field(default=None, repr=False)
    payee: str | None = field(default=None, repr=False)
    app_hash: str = ""
    autofill_domain: str = ""
    send_digits: str = ""
    tts_name: str = ""
    ask_for_key: bool = False
    #: Whether the code goes to a face that takes it with spaces, so that a long one may have some.
    spaced: bool = False
    warn: bool = False
    configuration: Mapping[str, Any] = field(default_factory=dict, repr=False)
    template_text: TemplateText | None = None

    @property
    def readable_code(self) -> str:
        """The code for the eye: a long one in groups, unless a program on the phone reads it."""
        if not self.spaced or self.app_hash:
            return self.code
        return grouped(self.code)

    @property
    def language(self) -> str:
        """The locale of the text, which a template may have and our catalogues not."""
        return self.template_text.locale if self.template_text else self.locale


@dataclass(frozen=True, slots=True)
class Channel:
    """One row: its recipient rule, the locales it speaks, how it composes its message.

    `unrouted` is raised when no sender serves it. A channel without `compose` carries no code.
    `is_offered` returns whether the site has what the channel needs; without it every site has the
    channel. `alias` is another name of it on the wire. `template_kind` is the word by
    which templates name the channel; empty for one that takes none. Where it `names_payment`, the
    text can have an amount and a payee in it.
    """

    name: str
    parse: Callable[[str], Recipient]
    locales: tuple[str, ...] = TEXT_LOCALES
    compose: Callable[[Draft], Message] | None = None
    unrouted: type[VerifyError] = ChannelDisabled
    bad_locale: type[VerifyError] | None = None
    is_offered: Callable[[], bool] | None = None
    alias: str = ""
    template_kind: str = ""
    names_payment: bool = True


def get(name: str) -> Channel:
    """Return the channel.

    Raises InvalidParameter for one that does not exist, or that needs a provider and has none.
    """
    channel = CHANNELS.get(ALIASES.get(name, name))
    if channel is None:
        hint = conf.did_you_mean(name, CHANNELS)
        raise InvalidParameter("channel", f"not an available channel.{hint}".removesuffix("."))
    if not (channel.is_offered is None or channel.is_offered()):
        raise InvalidParameter("channel", "not an available channel")
    return channel


def label(name: str) -> Any:
    """Return what people call a channel."""
    return _LABELS.get(name, name)


def is_offered(name: str) -> bool:
    """Whether the site has the channel."""
    channel = CHANNELS.get(name)
    return channel is not None and (channel.is_offered is None or channel.is_offered())


def parse_recipient(to: str) -> Recipient:
    """Read a recipient of unknown channel: e-mail if it has an `@`, else a phone number.

    Raises InvalidParameter.
    """
    return _email(to) if "@" in to else _phone(to)


def of_any_range(to: str) -> Recipient | None:
    """Return the recipient that a number in E.164 would be if its range were taken, else None."""
    phone = phones.of_any_range(to)
    if phone is None:
        return None
    return Recipient(phone.number, phone.key, phone.region, phone.type)


def read_typed(to: str) -> str:
    """Return a recipient that a person typed or pasted as `parse_recipient` takes it.

    What is none, or far too long to be looked at, stays as it is, and is refused there.
    """
    if len(to) > LONGEST_TYPED:
        return to
    try:
        return emails.read(to).address if "@" in typed.plain(to) else phones.read(to).number
    except ValueError:
        return to


def mask(to: str) -> str:
    """Hide most of a recipient, for lists and logs."""
    return emails.mask(to) if "@" in to else phones.mask(to)


def same_recipient(one: str, other: str) -> bool:
    """Whether two recipients are spellings of one recipient's."""
    if one == other or ("@" in one) != ("@" in other):
        return one == other
    return emails.same(one, other) if "@" in one else phones.same(one, other)


def choose_locale(channel: Channel, requested: str, to: str, *, hint: bool = False) -> str:
    """Return the tag of the catalogue to use.

    A requested tag is read by `locales`, and falls back to its language; without one the calling
    code decides, and then English. Raises InvalidParameter or LocaleNotSpoken for a request that
    no catalogue answers. As a `hint` it never raises: the calling code decides, then the site.
    """
    tag = None
    if requested and (hint or not locales.is_overlong(requested)):
        tag = locales.match(channel.locales, requested)
    if tag:
        return tag
    if requested and not hint:
        if channel.bad_locale:
            raise channel.bad_locale
        raise InvalidParameter("locale", "not a supported locale")
    likely = _of_country(to) or (conf.site_language() if hint else "")
    return locales.match(channel.locales, likely) or "en"


def locale_of(to: str) -> str:
    """Return the locale that a recipient's calling code suggests."""
    return _of_country(to) or "en"


def _of_country(to: str) -> str:
    """Return the locale of a number's calling code; empty where the table has none."""
    digits = to[1:] if to.startswith("+") else ""
    for length in range(min(_LONGEST_CALLING_CODE, len(digits)), 0, -1):
        if tag := CALLING_CODE_LOCALES.get(digits[:length]):
            return tag
    return ""


def grouped(code: str) -> str:
    """Return a code of eight digits or more in groups: 1234 5678, 123 456 789, 12345 67890."""
    if len(code) < LONG:
        return code
    width = 3 if len(code) % 2 else len(code) // 2
    return " ".join(code[start : start + width] for start in range(0, len(code), width))


def spoken(code: str) -> str:
    """Return a code with its characters set apart, so that each is read alone."""
    return ", ".join(code)


@cache
def _catalogue(tag: str) -> gettext.NullTranslations:
    # English is what the code itself holds; any other catalogue must be there.
    return gettext.translation(
        "messages", _LOCALE_DIR, languages=[tag.replace("-", "_")], fallback=tag == "en"
    )


def _sentence(draft: Draft, context: str, text: str, **values: str) -> str:
    brand = draft.friendly_name
    if not brand.isalpha():  # letters alone stand as they are
        brand = confusables.shown(brand)
    code = draft.readable_code if draft.spaced else draft.code
    names = {"friendly_name": brand, "code": code} | values
    return _catalogue(draft.locale).pgettext(context, text) % names


def _text(draft: Draft) -> str:
    """Return the template's text, or the sentence with the code and the payment, if any."""
    if draft.template_text:
        return _fill(draft, draft.template_text, draft.readable_code)
    if draft.amount is None or draft.payee is None:
        return _sentence(draft, "sms", "Your %(friendly_name)s verification code is: %(code)s")
    return _sentence(
        draft,
        "sms",
        "%(code)s is your %(friendly_name)s code to approve the payment of %(amount)s"
        " to %(payee)s.",
        amount=draft.amount,
        payee=draft.payee,
    )


def _fill(draft: Draft, template: TemplateText, code: str) -> str:
    return placeholders.fill(
        template.text,
        code=code,
        brand=draft.friendly_name,
        minutes=draft.minutes,
        values=template.substitutions,
    )


def _warning(draft: Draft) -> str:
    text = "Don't share this code with anyone. Our staff will never ask for it."
    return _sentence(draft, "sms", text)


def _sms(draft: Draft) -> Message:
    """Compose the text, in the form that Android's SMS Retriever or a browser reads.

    Both want the last line for themselves, so an app hash leaves no place for the domain.
    """
    text = _text(draft)
    body = _join([text, _warning(draft)], draft.locale) if draft.warn else text
    if draft.app_hash:
        form = "<#> {}\n" + draft.app_hash
        fits = len(form.format(body).encode()) <= SMS_RETRIEVER_BYTES
        # The reader on the phone drops a longer text; without the warning there is room.
        body = form.format(body if fits else text)
    elif draft.autofill_domain:
        body = f"{body}\n@{draft.autofill_domain} #{draft.code}"
    return Message("sms", draft.to, body, draft.attempt_sid, draft.language, code=draft.code)


def _whatsapp(draft: Draft) -> Message:
    body = _join([_text(draft), _warning(draft)], draft.locale)
    return Message("whatsapp", draft.to, body, draft.attempt_sid, draft.locale, code=draft.code)


def _telegram(draft: Draft) -> Message:
    """Compose the text for senders that show one; Telegram has words of its own for the code."""
    body = _join([_text(draft), _warning(draft)], draft.locale)
    return Message("telegram", draft.to, body, draft.attempt_sid, draft.locale, code=draft.code)


def _rcs(draft: Draft) -> Message:
    """Compose the text of an SMS, without the lines that programs on the phone read."""
    text = _text(draft)
    body = _join([text, _warning(draft)], draft.locale) if draft.warn else text
    return Message("rcs", draft.to, body, draft.attempt_sid, draft.language, code=draft.code)


def _mail(draft: Draft) -> Message:
    subject = _sentence(draft, "email", "Your %(friendly_name)s verification code")
    minutes = str(draft.minutes)
    parts = [
        _text(draft),
        _sentence(draft, "email", "This code is valid for %(minutes)s min.", minutes=minutes),
        _sentence(draft, "email", "If you did not ask for it, you can ignore this message."),
    ]
    body = "\n\n".join(parts) + "\n"
    chosen = draft.configuration
    return Message(
        "email",
        draft.to,
        body,
        draft.attempt_sid,
        draft.locale,
        code=draft.code,
        subject=subject,
        from_email=chosen.get("from", ""),
        from_name=chosen.get("from_name", ""),
        template_id=chosen.get("template_id", ""),
        substitutions=chosen.get("substitutions", {}),
    )


def _call(draft: Draft) -> Message:
    """Compose the speech, with the code twice; a template is read as it is written."""
    code = spoken(draft.code)
    greeting = _sentence(draft, "call", "Hello. This is a call from %(friendly_name)s.")
    prompt = _sentence(draft, "call", "Press any key to hear your verification code.")
    body = [
        _sentence(draft, "call", "Your verification code is: %(code)s.", code=code),
        _sentence(draft, "call", "Once more, your code is: %(code)s.", code=code),
        _sentence(draft, "call", "Goodbye."),
    ]
    if draft.template_text:
        body = [_fill(draft, draft.template_text, code)]
    return Message(
        "call",
        draft.to,
        " ".join(body if draft.ask_for_key or draft.template_text else [greeting, *body]),
        draft.attempt_sid,
        draft.language,
        code=draft.code,
        prompt=f"{greeting} {prompt}" if draft.ask_for_key else "",
        send_digits=draft.send_digits,
        tts_name=draft.tts_name,
    )


def _join(sentences: list[str], locale: str) -> str:
    """Put sentences on one line; one that ends with the code gets its full stop."""
    *head, tail = sentences
    stop = _STOPS.get(locale, ".")
    return " ".join([*(s if s[-1] in ".。।!?！？…" else s + stop for s in head), tail])


def _has_rcs() -> bool:
    return senders.serves("rcs")


def _has_sna() -> bool:
    return conf.current().SNA is not None


def _phone(to: str) -> Recipient:
    try:
        phone = phones.parse(to)
    except ValueError as error:
        raise InvalidParameter("to", str(error)) from None
    return Recipient(phone.number, phone.key, phone.region, phone.type)


def _email(to: str) -> Recipient:
    try:
        email = emails.parse(to)
    except ValueError as error:
        raise InvalidParameter("to", str(error)) from None
    return Recipient(email.address, email.key)


_LABELS = {
    "sms": _("Text message (SMS)"),
    "call": _("Phone call"),
    "whatsapp": _("WhatsApp"),
    "telegram": _("Telegram"),
    "rcs": _("RCS message"),
    "email": _("E-mail"),
    "sna": _("Silent network (SNA)"),
}

CHANNELS = {
    channel.name: channel
    for channel in (
        Channel("sms", _phone, compose=_sms, template_kind="sms"),
        Channel(
            "call",
            _phone,
            SPEECH_LOCALES,
            compose=_call,
            bad_locale=LocaleNotSpoken,
            template_kind="voice",
            names_payment=False,
        ),
        Channel("whatsapp", _phone, compose=_whatsapp, unrouted=WhatsappNotConfigured),
        Channel("telegram", _phone, compose=_telegram, names_payment=False),
        Channel(
            "rcs",
            _phone,
            compose=_rcs,
            is_offered=_has_rcs,
            alias="rbm",
            template_kind="sms",
        ),
        Channel("email", _email, compose=_mail, unrouted=EmailNotConfigured),
        Channel("sna", _phone, is_offered=_has_sna),
        Channel("auto", _phone, is_offered=_has_sna),
    )
}
#: What a channel is called on the wire as well, such as `rbm` (RCS business messaging).
ALIASES = {channel.alias: name for name, channel in CHANNELS.items() if channel.alias}
