"""The two forms of the flow: where the code goes, and the code."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import get_language, get_language_bidi, gettext
from django.utils.translation import gettext_lazy as _

from django_verify.contact import countries, emails, phones, typed
from django_verify.crypto import codes
from django_verify.web import sentences

# What a verification's code looks like; nothing else is charged a guess.
_CODE = re.compile(r"[0-9A-Za-z]{4,10}\Z")
_EMAIL = "email"
# An isolate keeps the plus in front of its code in a language that is written from right to left.
_CALLING_CODE, _CALLING_CODE_RTL = "{} (+{})", "{} (\u2066+{}\u2069)"


class _Form(forms.Form):
    """One whose first wrong field, or else its first empty one, has the focus."""

    def focus(self) -> None:
        """Let the page open with the cursor where it is needed."""
        visible = self.visible_fields()
        wrong = [bound.name for bound in visible if bound.errors]
        empty = [bound.name for bound in visible if not bound.value()]
        for name in (wrong or empty)[:1]:
            self.fields[name].widget.attrs["autofocus"] = True


class _Radios(forms.RadioSelect):
    """Of the buttons, the first one alone has the focus."""

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(*args, **kwargs)
        if option["index"] != "0":
            option["attrs"].pop("autofocus", None)
        return option


class StartForm(_Form):
    """A number with its country, or an e-mail address, and the way to reach it.

    A number that begins with + or 00 is in international form, whatever was picked. `regions` are
    the countries on offer; None for all.
    """

    country = forms.ChoiceField(
        label=_("Country"),
        required=False,
        error_messages={"invalid_choice": _("Choose the country from the list.")},
        widget=forms.Select(attrs={"autocomplete": "country"}),
    )
    number = forms.CharField(
        label=_("Phone number"),
        required=False,
        max_length=64,
        strip=True,
        help_text=_("Or paste the whole number, with + and the country code."),
        error_messages={"max_length": _("Enter a complete phone number.")},
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "dir": "ltr"}),
    )
    email = forms.CharField(
        label=_("E-mail address"),
        required=False,
        max_length=254,
        strip=True,
        error_messages={"max_length": _("Enter a complete e-mail address.")},
        widget=forms.EmailInput(attrs={"autocomplete": "email", "dir": "ltr"}),
    )
    channel = forms.ChoiceField(
        label=_("How should we send the code?"),
        error_messages={
            "required": _("Choose one of these."),
            "invalid_choice": _("Choose one of these."),
        },
        widget=_Radios,
    )

    def __init__(
        self,
        data: Any = None,
        *,
        channels: Sequence[str],
        country: str = "",
        regions: Collection[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if regions is not None and country not in regions:
            country = ""
        initial = {"channel": channels[0] if channels else "", "country": country}
        super().__init__(data, initial=initial | (kwargs.pop("initial", None) or {}), **kwargs)
        choices = [(name, sentences.label(name)) for name in channels]
        self.fields["channel"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
        if len(channels) == 1:
            self.fields["channel"].widget = forms.HiddenInput()
        if _EMAIL not in channels:
            del self.fields["email"]
        if set(channels) == {_EMAIL}:
            del self.fields["country"], self.fields["number"]
        else:
            if _EMAIL in channels:
                self.fields["email"].help_text = _("For a code by e-mail.")
            choice = _CALLING_CODE_RTL if get_language_bidi() else _CALLING_CODE
            listed = [
                (each.region, choice.format(each.name, each.calling_code))
                for each in countries.choices(get_language() or "en")
                if regions is None or each.region in regions
            ]
            listed.insert(0, ("", gettext("Choose a country")))
            self.fields["country"].choices = listed  # type: ignore[attr-defined]  # the same

    def clean(self) -> dict[str, Any]:
        """Put the recipient, as the verbs take it, into `to`."""
        values = self.cleaned_data
        if "channel" in values:
            by_email = values["channel"] == _EMAIL
            values["to"] = self._email() if by_email else self._number()
            if values["to"]:
                # The country is a hint, which a complete number and a mailbox do not need.
                self.errors.pop("country", None)
        return values

    def _number(self) -> str:
        text, country = self.cleaned_data.get("number"), self.cleaned_data.get("country", "")
        if "number" in self.errors:
            return ""
        if not text:
            self.add_error("number", _("Enter your phone number."))
            return ""
        try:
            return phones.read(text, country).number
        except ValueError:
            if country or typed.plain(text).startswith("+") or "country" in self.errors:
                self.add_error("number", _("Enter a complete phone number."))
            else:
                self.add_error("country", _("Choose the country of this number."))
        return ""

    def _email(self) -> str:
        text = self.cleaned_data.get("email")
        if "email" in self.errors:
            return ""
        try:
            return emails.read(text or "").address
        except ValueError:
            missing = _("Enter your e-mail address.")
            self.add_error("email", _("Enter a complete e-mail address.") if text else missing)
        return ""


class CodeForm(_Form):
    """The code that was sent; spaces and hyphens in it do no harm.

    A `problem` is what was wrong about the code before, and `length` how many digits it has.
    """

    code = forms.CharField(
        label=_("Code"),
        max_length=64,
        error_messages={
            "required": _("Enter the code from the message."),
            "max_length": _("Enter the code as it stands in the message."),
        },
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "autocapitalize": "none",
                "spellcheck": "false",
                "dir": "ltr",
            }
        ),
    )

    def __init__(
        self, data: Any = None, *, problem: str = "", length: int = 0, **kwargs: Any
    ) -> None:
        super().__init__({} if problem else data, **kwargs)
        self._problem, self._length = problem, length
        self.fields["code"].required = not problem
        if length:
            # As text: a number would be written as the site's language writes it.
            self.fields["code"].widget.attrs |= {
                "maxlength": str(2 * length),  # people type and paste spaces between
                "pattern": rf"[\s\-]*(?:\p{{Nd}}[\s\-]*){{{length}}}",
                "size": str(2 * length),
            }

    def clean_code(self) -> str:
        """Return the code without its spacing; what cannot be a code costs no guess."""
        code = codes.without_spacing(self.cleaned_data["code"])
        if self._problem:
            raise ValidationError(self._problem)
        if not _CODE.match(code) or self._length not in {0, len(code)}:
            raise ValidationError(_("Enter the code as it stands in the message."))
        return code
