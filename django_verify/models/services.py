"""Verify services: what one application sends, how, and within which limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_verify import conf, sids
from django_verify.models.accounts import Account
from django_verify.models.fields import SidField
from django_verify.models.versions import Part, Versioned
from django_verify.net import url_policy
from django_verify.text import confusables

FRIENDLY_NAME_LENGTH = 30
#: With a longer name some languages would take a third segment; the site (eTLD+1) is enough.
AUTOFILL_DOMAIN_LENGTH = 46
BUCKET_MAX = 999_999_999
_PURPOSE = re.compile(r"[a-z0-9_-]{1,32}\Z")
UNIQUE_NAME = re.compile(r"^[0-9A-Za-z_.-]+\Z")
DEFAULT_CHANNELS = ("sms", "call", "whatsapp", "telegram", "rcs", "email", "sna")

GUARD_LEVELS = (
    ("off", _("Off")),
    ("basic", _("Basic: only what is beyond doubt")),
    ("standard", _("Standard")),
    ("max", _("Max: a few people may be refused too")),
)

#: The code of the validation error for a restricted word, which has a number of its own.
RESTRICTED = "restricted_word"


def validate_friendly_name(value: str) -> None:
    """Refuse a brand that could look like a code, a link, another brand or another line.

    At most 30 characters, written as `confusables` has it, and none of RESTRICTED_WORDS.
    """
    if fault := confusables.fault_of_brand(value):
        raise ValidationError(_(fault))
    if len(value) > FRIENDLY_NAME_LENGTH:
        raise ValidationError(_("At most 30 characters."))
    if confusables.holds_any(value, conf.current().RESTRICTED_WORDS):
        raise ValidationError(_("It holds a restricted word."), code=RESTRICTED)


def validate_purposes(value: str) -> None:
    """Refuse what is no list of purposes: 1–32 lower-case letters, digits, - and _ each."""
    if not all(_PURPOSE.match(purpose) for purpose in value.split()):
        raise ValidationError(_("1–32 lower-case letters, digits, - and _ on each line."))


def validate_autofill_domain(value: str) -> None:
    """Refuse what is no name of a host as browsers compare it: ASCII, in lower case."""
    if _host_name(value) != value:
        raise ValidationError(
            _("The name of a host only, such as example.com: no scheme, port, path or IP address.")
        )


def default_channels() -> list[str]:
    """Return the channels of a new service: all there are; the site's providers decide the rest."""
    return list(DEFAULT_CHANNELS)


def _host_name(value: str) -> str:
    """Return the name in the spelling that is kept; empty where it is none."""
    try:
        return url_policy.host_name(value)
    except ValueError:
        return ""


def _range(low: int, high: int) -> list[Callable[[Any], None]]:
    return [MinValueValidator(low), MaxValueValidator(high)]


def _sid(prefix: str) -> list[Callable[[Any], None]]:
    return [RegexValidator(rf"^{prefix}[0-9a-fA-F]{{32}}\Z", _("Not a SID of this kind."))]


class VerifyService(Versioned):
    """One brand's set of verification rules; the fields follow the vendor's Services resource."""

    sid = SidField("VA", primary_key=True, default=sids.service, editable=False)
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="services",
        verbose_name=_("account"),
        db_index=False,  # the index below begins with it
    )
    friendly_name = models.CharField(
        _("friendly name"),
        max_length=FRIENDLY_NAME_LENGTH,
        validators=[validate_friendly_name],
        help_text=_("The brand that people read in the message. At most 30 characters."),
    )
    code_length = models.PositiveSmallIntegerField(
        _("code length"),
        default=6,
        validators=_range(4, 10),
        help_text=_(
            "4–10 digits. Codes of 4 or 5 digits leave a recipient 5 guesses a day, and apps and"
            " pages get longer ones then."
        ),
    )
    channels = models.JSONField(_("channels"), default=default_channels)
    senders = models.JSONField(_("senders"), default=dict, blank=True)
    # A copy of the messaging configurations: channel, country, sender aliases. The
    # start of a verification reads it with the row.
    messaging_routes = models.JSONField(default=dict, blank=True, editable=False)
    lifetime = models.PositiveIntegerField(
        _("lifetime"),
        default=600,
        validators=_range(120, 86_400),
        help_text=_("Seconds that a code is valid, 120–86400. More than 600 is not advised."),
    )
    max_checks = models.PositiveSmallIntegerField(
        _("maximum checks"),
        default=5,
        validators=_range(1, 5),
        help_text=_("Codes that may be tried in one verification, 1–5."),
    )
    max_sends = models.PositiveSmallIntegerField(
        _("maximum sends"),
        default=5,
        validators=_range(1, 10),
        help_text=_("Messages that one verification may send, 1–10."),
    )
    lookup_enabled = models.BooleanField(
        _("lookup"), default=False, help_text=_("Look up the carrier at each start.")
    )
    skip_sms_to_landlines = models.BooleanField(
        _("skip SMS to landlines"), default=False, help_text=_("Needs the lookup.")
    )
    dtmf_input_required = models.BooleanField(
        _("key press on calls"),
        default=True,
        help_text=_("Ask for any key before speaking the code, so that no voicemail records it."),
    )
    tts_name = models.CharField(_("speech engine"), max_length=64, blank=True)
    psd2_enabled = models.BooleanField(
        _("PSD2"), default=False, help_text=_("Bind each code to an amount and a payee.")
    )
    do_not_share_warning_enabled = models.BooleanField(
        _("do-not-share warning"),
        default=False,
        help_text=_("Add a sentence to each SMS that warns against giving the code away."),
    )
    autofill_domain = models.CharField(
        _("autofill domain"),
        max_length=AUTOFILL_DOMAIN_LENGTH,
        blank=True,
        validators=[validate_autofill_domain],
        help_text=_(
            "The site, such as example.com, in whose pages browsers and phones offer the code of an"
            " SMS: it gets the last line “@example.com #123456”. Empty: no such line."
        ),
    )
    custom_code_enabled = models.BooleanField(
        _("custom codes"), default=False, help_text=_("Let the caller choose the code.")
    )
    custom_friendly_name_enabled = models.BooleanField(
        _("custom friendly names"),
        default=True,
        help_text=_("Let the caller replace the brand in a message."),
    )
    push_include_date = models.BooleanField(_("date in push challenges"), default=False)
    push_apn_credential_sid = models.CharField(
        _("APN credential"), max_length=34, blank=True, validators=_sid("CR")
    )
    push_fcm_credential_sid = models.CharField(
        _("FCM credential"), max_length=34, blank=True, validators=_sid("CR")
    )
    totp_issuer = models.CharField(
        _("issuer"), max_length=64, blank=True, help_text=_("Empty: the friendly name.")
    )
    totp_time_step = models.PositiveSmallIntegerField(
        _("time step"), default=30, validators=_range(20, 60), help_text=_("Seconds, 20–60.")
    )
    totp_code_length = models.PositiveSmallIntegerField(
        _("code length"), default=6, validators=_range(3, 8), help_text=_("3–8 digits.")
    )
    totp_skew = models.PositiveSmallIntegerField(
        _("skew"),
        default=1,
        validators=_range(0, 2),
        help_text=_("Time steps of tolerance on each side, 0–2."),
    )
    default_template_sid = models.CharField(
        _("default template"), max_length=34, blank=True, validators=_sid("HJ")
    )
    whatsapp_msg_service_sid = models.CharField(
        _("messaging service"), max_length=34, blank=True, validators=_sid("MG")
    )
    whatsapp_from = models.CharField(
        _("from"),
        max_length=32,
        blank=True,
        validators=[RegexValidator(r"^whatsapp:\+[1-9][0-9]{6,14}\Z", _("whatsapp:+…"))],
        help_text=_("The WhatsApp number, as whatsapp:+14155550100."),
    )
    passkeys_relying_party_id = models.CharField(_("relying party id"), max_length=253, blank=True)
    passkeys_relying_party_name = models.CharField(
        _("relying party name"), max_length=64, blank=True
    )
    passkeys_relying_party_origins = models.CharField(
        _("origins"), max_length=2048, blank=True, help_text=_("Separated by commas.")
    )
    passkeys_authenticator_attachment = models.CharField(
        _("authenticator attachment"),
        max_length=16,
        blank=True,
        choices=[(name, name) for name in ("platform", "cross-platform", "any")],
    )
    passkeys_discoverable_credentials = models.CharField(
        _("discoverable credentials"),
        max_length=16,
        blank=True,
        choices=[(name, name) for name in ("required", "preferred", "discouraged")],
    )
    passkeys_user_verification = models.CharField(
        _("user verification"),
        max_length=16,
        blank=True,
        choices=[(name, name) for name in ("required", "preferred", "discouraged")],
    )
    email_from_addresses = models.TextField(
        _("e-mail senders"),
        blank=True,
        help_text=_("From addresses that a start may ask for, one a line."),
    )
    verify_event_subscription_enabled = models.BooleanField(
        _("event subscription"), default=False, help_text=_("Report verifications as events.")
    )
    client_enabled = models.BooleanField(
        _("open to clients"),
        default=False,
        help_text=_("Apps and pages may start verifications without an account's credentials."),
    )
    client_channels = models.JSONField(_("channels for clients"), default=list, blank=True)
    client_purposes = models.TextField(
        _("purposes"),
        blank=True,
        validators=[validate_purposes],
        help_text=_("What a client may verify a recipient for, one a line; empty: verify."),
    )
    allowed_number_types = models.JSONField(_("allowed types of numbers"), default=list, blank=True)
    guard_level = models.CharField(
        _("guard level"),
        max_length=8,
        blank=True,
        choices=GUARD_LEVELS,
        help_text=_("How little evidence of fraud blocks a number. Empty: the site's level."),
    )
    guard_record_only = models.BooleanField(
        _("record only"),
        default=False,
        help_text=_("Decide and record, but send all the same: to see what the level would block."),
    )
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    #: The one sender of a test message, which the process that starts it sends itself, and once;
    #: never stored.
    only_sender = ""

    class Meta:
        verbose_name = _("Verify service")
        verbose_name_plural = _("Verify services")
        ordering = ["-date_created", "-sid"]
        indexes = [
            models.Index(fields=["account", "-date_created", "-sid"], name="verify_service_page")
        ]

    def __str__(self) -> str:
        return self.friendly_name

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Compose the name's accents, spell the domain as browsers do, then validate."""
        self.friendly_name = confusables.normalize(self.friendly_name)
        self.autofill_domain = _host_name(self.autofill_domain) or self.autofill_domain
        super().clean_fields(exclude)

    @property
    def purposes(self) -> list[str]:
        """What a client may verify a recipient for; the first is meant where it names none."""
        return self.client_purposes.split() or ["verify"]

    @classmethod
    def pointer(cls, sid: str, account: Account) -> VerifyService:
        """Return an unloaded service, enough for the verbs that need only its identity."""
        return cls(sid=sids.canonical(sid), account=account)


class RateLimit(Part):
    """A named property of starts, such as an IP address, whose values are metered by buckets."""

    part_of, kept = "service", frozenset({"sid", "service", "unique_name"})

    sid = SidField("RK", primary_key=True, default=sids.rate_limit, editable=False)
    service = models.ForeignKey(
        VerifyService,
        on_delete=models.CASCADE,
        related_name="rate_limits",
        verbose_name=_("service"),
        db_index=False,  # the unique constraint begins with it
    )
    unique_name = models.CharField(
        _("unique name"),
        max_length=256,
        validators=[RegexValidator(UNIQUE_NAME, _("Only letters, digits and - _ . are allowed."))],
        help_text=_("What a start calls it. Letters, digits and - _ . only; it cannot be changed."),
    )
    description = models.CharField(_("description"), max_length=256, blank=True)
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("rate limit")
        verbose_name_plural = _("rate limits")
        ordering = ["-date_created", "-sid"]
        constraints = [
            models.UniqueConstraint(
                fields=["service", "unique_name"], name="verify_rate_limit_name"
            )
        ]

    def __str__(self) -> str:
        return self.unique_name


class Bucket(Part):
    """How many starts a rate limit lets pass in an interval, for each value by itself."""

    part_of, kept = "rate_limit", frozenset({"sid", "rate_limit", "max", "interval"})

    sid = SidField("BL", primary_key=True, default=sids.bucket, editable=False)
    rate_limit = models.ForeignKey(
        RateLimit,
        on_delete=models.CASCADE,
        related_name="buckets",
        verbose_name=_("rate limit"),
        db_index=False,  # the unique constraint begins with it
    )
    max = models.PositiveIntegerField(
        _("maximum"),
        validators=_range(1, BUCKET_MAX),
        help_text=_("Starts that pass in one interval."),
    )
    interval = models.PositiveIntegerField(
        _("interval"), validators=_range(1, 86_400), help_text=_("Seconds, 1–86400.")
    )
    date_created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    date_updated = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("bucket")
        verbose_name_plural = _("buckets")
        ordering = ["interval"]
        constraints = [
            models.UniqueConstraint(
                fields=["rate_limit", "interval"], name="verify_bucket_interval"
            )
        ]

    def __str__(self) -> str:
        return f"{self.max} / {self.interval} s"


class BucketCount(models.Model):
    """What a bucket has let pass for one value in one window; a row is never shared by windows.

    The key holds a keyed digest of the value. There is no foreign key: nothing reads a row once
    its window has ended, and is deleted after that. `max` is the bucket's when it counted last.
    """

    key = models.CharField(primary_key=True, max_length=128, editable=False)
    count = models.PositiveIntegerField(editable=False)
    max = models.PositiveIntegerField(editable=False)
    ends_at = models.DateTimeField(db_index=True, editable=False)

    class Meta:
        default_permissions = ()
        # A start counts in all its rows by one statement, which this undoes where one is full.
        constraints = [
            models.CheckConstraint(
                condition=models.Q(count__lte=models.F("max")), name="verify_count_in_bounds"
            )
        ]

    def __str__(self) -> str:
        return self.key


class StatusReadCount(models.Model):
    """The status reads of a verification in its latest minute, hour and day.

    Each window has its number and its count, so that one conditional update moves all three.
    """

    verification_sid = SidField("VE", primary_key=True, editable=False)
    minute = models.PositiveIntegerField(editable=False)
    in_minute = models.PositiveSmallIntegerField(editable=False)
    hour = models.PositiveIntegerField(editable=False)
    in_hour = models.PositiveSmallIntegerField(editable=False)
    day = models.PositiveIntegerField(editable=False)
    in_day = models.PositiveSmallIntegerField(editable=False)
    ends_at = models.DateTimeField(db_index=True, editable=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.verification_sid
