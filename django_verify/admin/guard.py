"""The guard's own records, and what it goes by: blocked starts, closed ranges, prices and caps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_verify import sids
from django_verify.admin import labels
from django_verify.admin.closed import ClosedAdmin, LookOnly
from django_verify.admin.csv_files import CsvAdmin
from django_verify.admin.figures import GivenFilter
from django_verify.admin.filters import (
    ChoicesFilter,
    CountryFilter,
    MomentFilter,
    ServiceFilter,
    ValueFilter,
)
from django_verify.admin.forms import key_of
from django_verify.admin.ranges import RangeAdmin
from django_verify.admin.recipients import RecipientColumns, in_full_and_masked, sees_recipients
from django_verify.contact import phones
from django_verify.contact.typed import plain
from django_verify.fraud import forget, spend, trips
from django_verify.messages import channels
from django_verify.models import Account, Currency, GuardDecision, GuardTrip, Price, SpendCap


class OutcomeFilter(ChoicesFilter):
    """By what became of the start."""

    title = _("outcome")
    parameter_name = column = "outcome"
    choices_of = GuardDecision.Outcome


class CauseFilter(ValueFilter):
    """By what decided."""

    title = _("cause")
    parameter_name = column = "cause"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return every cause."""
        return list(labels.CAUSES.items())


class GivenChannelFilter(GivenFilter):
    """By channel, where the dashboard was narrowed to one."""

    title = _("channel")
    parameter_name = "channel"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the channel."""
        value = self.value()
        return queryset.filter(channel=value) if value in channels.CHANNELS else queryset


class GivenCountryFilter(GivenFilter, CountryFilter):
    """By country, where the dashboard was narrowed to one."""


@admin.register(GuardDecision)
class GuardDecisionAdmin(RecipientColumns, LookOnly, RangeAdmin, CsvAdmin):
    """Starts that were refused, or would have been, with the reason."""

    explanation = _(
        "Why a code was not sent. “Recorded only” was sent all the same: it is what the guard's"
        " level would have refused."
    )
    list_filter = (
        OutcomeFilter,
        CauseFilter,
        ServiceFilter,
        ("date_created", MomentFilter),
        GivenChannelFilter,
        GivenCountryFilter,
    )
    list_parameters = frozenset(
        {
            *("outcome", "cause", "service", "channel", "country"),
            *("date_created__gte", "date_created__lt"),
        }
    )
    list_select_related = ("service", "account")
    walk = "date_created"
    full_recipient, masked_recipient = in_full_and_masked(
        attrgetter("recipient_key"), _("recipient")
    )
    search_fields = ("attempt_sid",)
    search_help_text = _("The SID of an attempt, or a whole phone number.")
    csv_columns = (
        "time",
        "account",
        "service",
        "attempt",
        "country",
        "channel",
        "outcome",
        "cause",
        "reason",
        "price",
    )

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with the number in full or masked."""
        return (
            *(self.shown(request), self._reason(request), "date_created", "cause_named"),
            *("country", "channel", "outcome"),
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page shows."""
        return (
            *("date_created", self.shown(request), "country_named", "channel_named"),
            *(
                "cause_named",
                self._reason(request),
                "deed",
                "outcome",
                "level",
                "price",
                "service",
                "account",
                "attempt_sid",
            ),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return all of them."""
        return self.get_fields(request, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by attempt or by a whole number."""
        term = plain(search_term)
        if not term:
            return queryset, False
        if sids.is_sid("VL", term):
            return queryset.filter(attempt_sid=sids.canonical(term)), False
        key = key_of(term)
        if not key:
            return queryset.none(), False
        # The index on recipients begins with the account, so all accounts are named.
        return queryset.filter(account__in=Account.objects.values("pk"), recipient_key=key), False

    @admin.display(description=_("cause"))
    def cause_named(self, obj: GuardDecision) -> Any:
        """What decided."""
        return labels.CAUSES.get(obj.cause, obj.cause)

    @admin.display(description=_("country"))
    def country_named(self, obj: GuardDecision) -> str:
        """The country's name."""
        return labels.country(obj.country)

    @admin.display(description=_("channel"))
    def channel_named(self, obj: GuardDecision) -> Any:
        """What people call the channel."""
        return labels.channel(obj.channel)

    @admin.display(description=_("what to do"))
    def deed(self, obj: GuardDecision) -> Any:
        """What lets the next start pass; one that was sent needs nothing."""
        is_sent = obj.outcome == GuardDecision.Outcome.RECORDED
        return "-" if is_sent else labels.DEEDS.get(obj.cause, "-")

    @admin.display(description=_("reason"))
    def masked_reason(self, obj: GuardDecision) -> str:
        """The reason, whose block would complete the masked recipient."""
        return phones.mask_within(obj.reason)

    def csv_rows(self, request: HttpRequest, rows: QuerySet[Any]) -> Iterable[Mapping[str, str]]:
        """Return the cells of rows, by the viewer's leave."""
        for row in rows.iterator(chunk_size=2000):
            cells = self.csv_row(row)
            reason = cells["reason"]
            shown = reason if sees_recipients(request) else phones.mask_within(reason)
            yield {**cells, "reason": shown}

    def number_of(self, obj: GuardDecision) -> str:
        """Return the recipient, where it is a number."""
        return "" if "@" in obj.recipient_key else obj.recipient_key

    def csv_row(self, obj: GuardDecision) -> Mapping[str, str]:
        """Return a decision's cells; no recipient is among them."""
        return {
            "time": obj.date_created.isoformat(timespec="seconds"),
            "account": obj.account_id,
            "service": obj.service_id or "",
            "attempt": obj.attempt_sid,
            "country": obj.country,
            "channel": obj.channel,
            "outcome": obj.outcome,
            "cause": obj.cause,
            "reason": obj.reason,
            "price": f"{obj.price.normalize():f}",
        }

    def _reason(self, request: HttpRequest) -> str:
        return "reason" if sees_recipients(request) else "masked_reason"


class KindFilter(ValueFilter):
    """By what is closed."""

    title = _("kind")
    parameter_name = column = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return every kind."""
        return list(labels.CLOSED.items())


class TripStateFilter(ChoicesFilter):
    """By whether it is closed, or guarded."""

    title = _("state")
    parameter_name = column = "state"
    choices_of = GuardTrip.State


@admin.register(GuardTrip)
class GuardTripAdmin(LookOnly, ClosedAdmin):
    """What the guard has closed, to be opened or kept."""

    explanation = _(
        "What the guard has closed on its evidence. It opens by itself at the end of its time; open"
        " it now, or keep it closed, by the actions. In a guarded range the guard waits for less"
        " evidence."
    )
    actions = ("lift_selected", "keep_selected")
    list_display = (
        "what",
        "state",
        "reason",
        "kind_named",
        "level",
        "started_at",
        "ends_at",
        "is_open",
    )
    list_filter = (TripStateFilter, KindFilter)
    list_parameters = frozenset({"state", "kind"})
    list_select_related = ("account",)
    fields = readonly_fields = (
        *("what", "kind_named", "state", "level", "reason", "started_at", "ends_at", "times"),
        "account",
    )

    @admin.display(description=_("what"))
    def what(self, obj: GuardTrip) -> str:
        """The prefix or the country; a network and a device are digests."""
        return str(obj)

    @admin.display(description=_("kind"))
    def kind_named(self, obj: GuardTrip) -> Any:
        """What it is."""
        return labels.CLOSED.get(obj.kind, obj.kind)

    @admin.display(description=_("in force"), boolean=True)
    def is_open(self, obj: GuardTrip) -> bool:
        """Whether its time is not over."""
        return not obj.is_over(timezone.now())

    def has_lift_permission(self, request: HttpRequest) -> bool:
        """Whether the viewer may open and keep; a permission of its own."""
        return request.user.has_perm("django_verify.lift_guardtrip")

    @admin.action(permissions=["lift"], description=_("Open the selected now"))
    def lift_selected(self, request: HttpRequest, queryset: QuerySet[GuardTrip]) -> None:
        """End each that is in force."""
        count, now = 0, timezone.now()
        for row in queryset:
            if trips.lift(row.account_id, row.slot, row.key, now):
                count += 1
                self.log_change(request, row, gettext("Opened."))
        self._tell(request, ngettext("%d was opened.", "%d were opened.", count) % count, count)

    @admin.action(permissions=["lift"], description=_("Keep the selected closed"))
    def keep_selected(self, request: HttpRequest, queryset: QuerySet[GuardTrip]) -> None:
        """Let each be closed until it is opened by hand."""
        count = 0
        for row in queryset:
            trips.keep(row)
            self.log_change(request, row, gettext("Kept closed."))
            count += 1
        self._tell(request, ngettext("%d is kept.", "%d are kept.", count) % count, count)

    def _tell(self, request: HttpRequest, text: str, count: int) -> None:
        forget()
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)


@admin.register(Price)
class PriceAdmin(CsvAdmin):
    """What a message costs, by country, channel and sender."""

    explanation = _(
        "What messages cost, for spend caps and for the guard, which waits for less evidence where"
        " they are dear. The row that names most of country, channel and sender holds."
    )
    list_display = ("country", "channel", "amount", "currency", "sender")
    search_fields = ("country", "sender")
    csv_columns = ("country", "channel", "sender", "price", "currency")
    csv_required = ("country", "price", "currency")
    csv_help = _(
        "Adds and replaces prices, and deletes none. The first line names the columns: country, two"
        " letters or * for all others; channel (empty: every channel); sender, an alias of the"
        " site's settings (empty: every sender); price, with a dot; currency, three letters."
    )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Tell which prices do not count."""
        if without := spend.without_rate():
            text = _(
                "Prices in %(currencies)s do not count: add under Currencies what one is worth."
            )
            names = {"currencies": ", ".join(without)}
            self.message_user(request, text % names, messages.WARNING)
        return super().changelist_view(request, extra_context)

    def csv_row(self, obj: Price) -> Mapping[str, str]:
        """Return a price's cells."""
        return {
            "country": obj.country,
            "channel": obj.channel,
            "sender": obj.sender,
            "price": f"{obj.amount.normalize():f}",
            "currency": obj.currency,
        }

    def csv_object(self, line: Mapping[str, str]) -> Price:
        """Return the price of a line; one of the same country, channel and sender is replaced."""
        key = {
            "country": line["country"].upper(),
            "channel": line["channel"].lower(),
            "sender": line["sender"],
        }
        price = Price.objects.filter(**key).first() or Price(**key)
        try:
            price.amount = Decimal(line["price"])
        except InvalidOperation:
            raise ValidationError(_("The price must be a number, such as 0.05.")) from None
        price.currency = line["currency"].upper()
        return price


@admin.register(Currency)
class CurrencyAdmin(ClosedAdmin):
    """What other currencies are worth."""

    explanation = _(
        "What one unit of each currency is worth in the site's own. Prices in a currency that is"
        " not listed do not count."
    )
    list_display = ("code", "rate", "date_updated")


class PeriodFilter(ChoicesFilter):
    """By day or month."""

    title = _("period")
    parameter_name = column = "period"
    choices_of = SpendCap.Period


@admin.register(SpendCap)
class SpendCapAdmin(ClosedAdmin):
    """What may be spent in a day or a month."""

    explanation = _(
        "What an account, or one service, may spend in a day or month by UTC. A start that would"
        " cost more is refused until the next one, safe-listed numbers included. What was spent"
        " before a cap was made does not count in it."
    )
    list_display = ("account", "amount", "period", "service")
    list_filter = (PeriodFilter,)
    list_parameters = frozenset({"period"})
    list_select_related = ("account", "service")
    fields = ("account", "service", "period", "amount")
