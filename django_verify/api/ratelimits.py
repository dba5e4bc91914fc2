"""RateLimits and Buckets: what an account lets its own callers start, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import F, QuerySet
from rest_framework import serializers

from django_verify import conf, exceptions, sids
from django_verify.api import wire
from django_verify.api.mixins import AllVerbs
from django_verify.api.resource import ServiceResource
from django_verify.api.rows import only, writing
from django_verify.exceptions import NotFound, VerifyError
from django_verify.models import Bucket, RateLimit
from django_verify.models.services import BUCKET_MAX, UNIQUE_NAME
from django_verify.rest.answers import Answer, TextOrNull, Time, computed


class RateLimitParameters(wire.Parameters):
    """Of a create."""

    UniqueName = wire.Text()
    Description = wire.Text(required=False)


class RateLimitChanges(wire.Parameters):
    """Of an update: the name stays, because starts use it."""

    Description = wire.Text(required=False)


class BucketParameters(wire.Parameters):
    """Of create and update."""

    Max = wire.Integer(1, BUCKET_MAX)
    Interval = wire.Integer(1, 86_400)


class RateLimitAnswer(Answer):
    """A rate limit."""

    sid = wire.SidOf("RK")
    service_sid = wire.SidOf("VA", source="service_id")
    account_sid = wire.CallersSid()
    unique_name = serializers.CharField()
    description = TextOrNull()
    date_created = Time()
    date_updated = Time()
    url = wire.Link()
    links = wire.Links(buckets="Buckets")


class BucketAnswer(Answer):
    """A bucket."""

    sid = wire.SidOf("BL")
    rate_limit_sid = wire.SidOf("RK", source="rate_limit_id")
    service_sid = computed(wire.SidOf("VA"), lambda row, view: view.service.sid)
    account_sid = wire.CallersSid()
    max = serializers.IntegerField()
    interval = serializers.IntegerField()
    date_created = Time()
    date_updated = Time()
    url = wire.Link()


class LimitedResource(AllVerbs, ServiceResource):
    """Base of what a parent may have only so many of, by the setting `most`."""

    most: ClassVar[str]
    full: ClassVar[type[VerifyError]]

    def insert(self, row: Any) -> Any:
        """Write a row below a parent that has room for it."""
        model, parent = type(row), getattr(row, self.below)
        with writing(model, self.duplicate) as using:
            # Updating nothing locks the parent on every database, so that the count holds.
            parents = type(parent).objects.using(using).filter(pk=parent.pk)
            if not parents.update(date_updated=F("date_updated")):
                raise NotFound
            siblings = model.objects.using(using).filter(**{self.below: parent})
            if siblings.count() >= getattr(conf.current(), self.most):
                raise self.full
            row.save(using=using, force_insert=True)
        return row


class RateLimitViewSet(LimitedResource):
    """`/Services/{ServiceSid}/RateLimits`: all five operations."""

    path = "Services/<str:service_sid>/RateLimits"
    prefix = "RK"
    key = "rate_limits"
    model = RateLimit
    parameters = RateLimitParameters
    update_parameters = RateLimitChanges
    answer = RateLimitAnswer
    most, full = "RATE_LIMITS_PER_SERVICE", exceptions.TooManyRateLimits
    duplicate = exceptions.RateLimitExists

    def validate(self, limit: RateLimit, values: Mapping[str, Any]) -> None:
        """Raise RateLimitNameInvalid."""
        if "unique_name" in values and not UNIQUE_NAME.match(limit.unique_name):
            raise exceptions.RateLimitNameInvalid


class BucketViewSet(LimitedResource):
    """`/Services/{ServiceSid}/RateLimits/{RateLimitSid}/Buckets`: all five operations."""

    path = "Services/<str:service_sid>/RateLimits/<str:rate_limit_sid>/Buckets"
    prefix = "BL"
    key = "buckets"
    model = Bucket
    below = "rate_limit"
    parameters = BucketParameters
    answer = BucketAnswer
    most, full = "BUCKETS_PER_RATE_LIMIT", exceptions.TooManyBuckets
    duplicate = exceptions.BucketExists

    def parent(self) -> RateLimit:
        """Return the limit that the path names. Raises NotFound."""
        sid = self.kwargs["rate_limit_sid"]
        if not sids.is_sid("RK", sid):
            raise NotFound
        limits = RateLimit.objects.filter(
            service_id=self.service.sid, service__account_id=self.account.sid
        )
        found: RateLimit = only(limits.filter(sid=sids.canonical(sid)))
        return found

    def get_queryset(self) -> QuerySet[Bucket]:
        """Return the limit's buckets. Raises NotFound when there is no such limit."""
        return Bucket.objects.filter(rate_limit_id=self.parent().sid)
