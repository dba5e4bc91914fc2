"""The forms of a service: its settings with the table of channels, and the test message."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_verify import conf, delivery, senders
from django_verify.contact import countries, emails, phones
from django_verify.contact.phones import NumberType
from django_verify.contact.typed import plain
from django_verify.exceptions import InvalidParameter
from django_verify.messages import channels
from django_verify.messages.channels import CHANNELS, is_offered, label
from django_verify.models import Template, VerifyService
from django_verify.senders import Sender

if TYPE_CHECKING:
    ServiceModelForm = forms.ModelForm[VerifyService]
    ServiceChoice = forms.ModelChoiceField[VerifyService]
else:
    ServiceModelForm = forms.ModelForm
    ServiceChoice = forms.ModelChoiceField

#: Channel → whether it is enabled, and its senders' aliases in order.
Routing = dict[str, tuple[bool, list[str]]]

SENDERS_SHOWN = 3
#: The attributes of radio buttons, whose labels the admin's style sheet gives room then.
RADIOS = {"class": "radiolist"}

_NUMBER_TYPES = {
    NumberType.LANDLINE: _("Landlines, by text message"),
    NumberType.TOLL_FREE: _("Toll-free numbers, by text message"),
    NumberType.PREMIUM: _("Premium-rate numbers"),
    NumberType.SHARED_COST: _("Shared-cost numbers"),
    NumberType.PERSONAL: _("Personal numbers, which follow a person to other lines"),
    NumberType.UAN: _("Company numbers (UAN)"),
    NumberType.PAGER: _("Pagers"),
    NumberType.VOICEMAIL: _("Voicemail"),
    NumberType.SATELLITE: _("Satellite phones"),
    NumberType.INTERNATIONAL: _("International numbers of no country, such as +800"),
}


def destination(typed: str) -> str:
    """Return an e-mail address, or a phone number in E.164, as typed. Raises ValidationError."""
    try:
        if "@" in plain(typed):
            return emails.read(typed).address
        return phones.read(typed, countries.region(conf.phone_region())).number
    except ValueError:
        text = _("Enter a complete e-mail address, or a phone number such as +14155550100.")
        raise ValidationError(text, code="invalid") from None


def key_of(typed: str) -> str:
    """Return the key of a recipient that a person looks for; empty for what is none."""
    try:
        return channels.parse_recipient(destination(typed)).key
    except (ValidationError, InvalidParameter):
        return ""


class PhoneFormField(forms.CharField):
    """A number as an operator types it, in E.164 afterwards."""

    def __init__(self, *args: Any, region: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def clean(self, value: Any) -> str:
        """Return the number. Raises ValidationError."""
        text = super().clean(value)
        try:
            return self.read(text) if text else ""
        except ValueError:
            raise ValidationError(
                _("Enter a complete phone number such as +14155550100."), code="invalid"
            ) from None

    def read(self, text: str) -> str:
        """Return the number. Raises ValueError."""
        return phones.read(text, countries.region(conf.phone_region())).number


class ListedPhoneFormField(PhoneFormField):
    """The same for a number that no country's plan need have."""

    def read(self, text: str) -> str:
        """Return the number. Raises ValueError."""
        return listed_number(text).number


def listed_number(text: str) -> phones.Phone:
    """Read a number of a list as an operator types it. Raises ValueError."""
    return phones.read_listed(text, countries.region(conf.phone_region()))


def carriers() -> list[str]:
    """Return the channels that carry a code, and so have senders."""
    return [
        channel.name
        for channel in CHANNELS.values()
        if channel.compose and is_offered(channel.name)
    ]


def switches() -> list[str]:
    """Return the channels that an operator can enable: `sna` too where it has a provider."""
    sna = [name for name in ("sna",) if is_offered(name)]
    return carriers() + sna


def routing_of(service: VerifyService) -> Routing:
    """Return the part of a service's channels and senders that the table edits."""
    return {
        channel: (channel in service.channels, list(service.senders.get(channel, ())))
        for channel in switches()
    }


class RoutingTable(forms.Widget):
    """A row for each channel: a checkbox and its senders in order."""

    template_name = "django_verify/admin/routing_table.html"
    use_fieldset = True

    #: What the service has now, so that an alias no longer in the settings can be shown.
    stored: Routing = {}

    def id_for_label(self, id_: str) -> str:
        """No id: the label is that of the whole table."""
        return ""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Routing:
        """Read the checkboxes and as many selects as the page had."""
        return {
            channel: (f"{name}-{channel}" in data, listed(data, f"{name}-{channel}-sender"))
            for channel in switches()
        }

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Return the rows."""
        context = super().get_context(name, value, attrs)
        context["rows"] = [
            self._row(f"{name}-{channel}", channel, enabled, aliases)
            for channel, (enabled, aliases) in value.items()
        ]
        return context

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Render by the site's templates; a form renderer of the host's may not find ours."""
        return render_to_string(self.template_name, self.get_context(name, value, attrs))

    def aliases(self, channel: str) -> dict[str, Any]:
        """Return the aliases that may be chosen for a channel, with their labels."""
        known = senders.configured()
        choices = {alias: alias for alias, sender in known.items() if channel in sender.channels}
        for alias in self.stored.get(channel, (False, []))[1]:
            unfit = _("%(alias)s (does not serve this channel)")
            absent = _("%(alias)s (not configured)")
            choices.setdefault(alias, (unfit if alias in known else absent) % {"alias": alias})
        return choices

    def _row(self, name: str, channel: str, enabled: bool, chosen: list[str]) -> dict[str, Any]:
        stored = self.stored.get(channel, (False, []))[1]
        shown = max(SENDERS_SHOWN, len(stored), len(chosen))
        choices = self.aliases(channel)
        padded = [*chosen, *[""] * (shown - len(chosen))]
        selects = [
            {"name": f"{name}-sender-{place}", "choices": choices, "chosen": alias}
            for place, alias in enumerate(padded)
        ]
        return {
            "name": name,
            "label": label(channel),
            "enabled": enabled,
            "default": senders.route(channel),
            "selects": selects if channel in carriers() else [],
        }


def listed(data: Mapping[str, Any], prefix: str) -> list[str]:
    """Return the values of as many selects as the page had, in order."""
    names = (f"{prefix}-{place}" for place in count())
    return [data[name] for name in takewhile(data.__contains__, names)]


class RoutingField(forms.Field):
    """Which channels a service uses, and by which senders."""

    widget = RoutingTable

    @property
    def table(self) -> RoutingTable:
        """The widget, by its type."""
        return cast("RoutingTable", self.widget)

    def remember(self, stored: Routing) -> None:
        """Keep what the service has now: its aliases stay valid whatever the settings hold."""
        self.initial = self.table.stored = stored

    def to_python(self, value: Any) -> Routing:
        """Close the gaps that blank selects leave."""
        return {
            channel: (enabled, [alias for alias in aliases if alias])
            for channel, (enabled, aliases) in value.items()
        }

    def validate(self, value: Routing) -> None:
        """Refuse no channel at all, and an order that names a sender twice or an unknown one."""
        problems: list[Any] = []
        if not any(enabled for enabled, _aliases in value.values()):
            problems.append(_("Enable at least one channel."))
        for channel, (_enabled, aliases) in value.items():
            named = {"channel": label(channel)}
            if len(set(aliases)) < len(aliases):
                problems.append(_("%(channel)s: the same sender is chosen twice.") % named)
            if not set(aliases) <= set(self.table.aliases(channel)):
                problems.append(_("%(channel)s: an unknown sender was chosen.") % named)
        if problems:
            raise ValidationError(problems)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the choice differs, blank selects aside."""
        return bool(self.to_python(data) != initial)


class ServiceForm(ServiceModelForm):
    """A service's settings; the table of channels stands for two JSON columns."""

    routing = RoutingField(
        label=_("Channels and senders"),
        help_text=_(
            "Tick what people may receive a code by. The first sender is tried first; the next"
            " one only if it cannot be reached. Leave the senders blank to use the site's"
            " default, which is named under each channel."
        ),
    )

    client_channels = forms.MultipleChoiceField(
        label=_("Channels for apps and pages"),
        required=False,
        choices=lambda: [(name, label(name)) for name in carriers()],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What apps and pages may choose, of the channels above. None: all of them."),
    )

    allowed_number_types = forms.MultipleChoiceField(
        label=_("Send codes to these too"),
        required=False,
        choices=list(_NUMBER_TYPES.items()),
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("RoutingField", self.fields["routing"]).remember(routing_of(self.instance))
        if "default_template_sid" in self.fields:
            self.fields["default_template_sid"] = _template_field(self.instance)

    def clean_client_channels(self) -> list[str]:
        """Keep the order of preference that the service has, newly ticked channels at its end."""
        ticked: list[str] = self.cleaned_data["client_channels"]
        kept = [name for name in self.instance.client_channels if name in ticked]
        return [*kept, *(name for name in ticked if name not in kept)]

    def save(self, commit: bool = True) -> VerifyService:
        """Write the table into the columns; what it does not show stays as it was."""
        routing: Routing = self.cleaned_data["routing"]
        service = self.instance
        hidden = [channel for channel in service.channels if channel not in routing]
        enabled = [channel for channel, (ticked, _aliases) in routing.items() if ticked]
        service.channels = [*enabled, *hidden]
        chosen = {channel: aliases for channel, (_ticked, aliases) in routing.items() if aliases}
        others = {c: aliases for c, aliases in service.senders.items() if c not in routing}
        service.senders = others | chosen
        return super().save(commit)


def _template_field(service: VerifyService) -> forms.ChoiceField:
    """Return a choice among the ready-made templates and those of the service's account."""
    rows = Template.of_account(service.account_id).order_by("friendly_name")
    choices = {row.sid: row.friendly_name for row in rows if "sms" in row.channels}
    if stored := service.default_template_sid:
        choices.setdefault(stored, f"{stored} (?)")
    return forms.ChoiceField(
        label=_("Default template"),
        required=False,
        choices=[("", _("The standard text")), *choices.items()],
        help_text=_("The text of SMS, unless a request names another template."),
    )


class _DestinationForm(forms.Form):
    """Where to send a test message, and by which channel."""

    channel = forms.ChoiceField(label=_("Channel"))
    recipient = forms.CharField(
        label=_("Recipient"),
        max_length=254,
        help_text=_("A phone number with its country code, or an e-mail address for e-mail."),
        widget=forms.TextInput(
            attrs={"class": "vTextField", "autocomplete": "off", "placeholder": "+14155552671"}
        ),
    )

    def clean_recipient(self) -> str:
        """Return the e-mail address, or the phone number in E.164 however it was written."""
        return destination(self.cleaned_data["recipient"])


class TestMessageForm(_DestinationForm):
    """A test message by a service's own senders."""

    __test__ = False  # the name is no test's

    def __init__(self, service: VerifyService, data: Any = None) -> None:
        super().__init__(data)
        self.service = service
        enabled = [(name, label(name)) for name in carriers() if name in service.channels]
        cast("forms.ChoiceField", self.fields["channel"]).choices = enabled

    def clean_channel(self) -> str:
        """Refuse a channel that no sender serves; the message names the remedy."""
        channel: str = self.cleaned_data["channel"]
        if not delivery.route(self.service, channel):
            raise ValidationError(
                _(
                    "No configured sender serves this channel. Choose one on the service's page,"
                    " or ask the site's developers to configure one."
                )
            )
        return channel


class SenderTestForm(_DestinationForm):
    """A test message by one sender: by which of its channels, and under which service's name."""

    field_order = ("service", "channel", "recipient")

    service = ServiceChoice(
        VerifyService.objects.select_related("account").order_by("friendly_name"),
        label=_("Service"),
        help_text=_("Whose name, template and code length the message has."),
    )

    def __init__(self, sender: Sender, data: Any = None) -> None:
        super().__init__(data)
        self.sender = sender
        offered = [(name, label(name)) for name in carriers() if name in sender.channels]
        cast("forms.ChoiceField", self.fields["channel"]).choices = offered

    def clean_channel(self) -> str:
        """Refuse a channel that the chosen service does not have."""
        channel: str = self.cleaned_data["channel"]
        service = self.cleaned_data.get("service")
        if service is not None and channel not in service.channels:
            raise ValidationError(_("The service does not use this channel."))
        return channel
