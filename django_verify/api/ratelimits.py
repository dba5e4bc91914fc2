"""RateLimits and Buckets: what an account lets its own callers start, and how often."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import IntegrityError, router
from django.db.models import F, Model, QuerySet
from django.utils import timezone
from rest_framework import serializers

from django_verify import conf, exceptions, sids
from django_verify.api import wire
from django_verify.api.resource import Create, Delete, Fetch, List, ServiceResource, Update, only
from django_verify.db import savepoints
from django_verify.exceptions import NotFound, VerifyError
from django_verify.models import Bucket, RateLimit, VerifyService
from django_verify.models.services import BUCKET_MAX, UNIQUE_NAME

Row = TypeVar("Row", RateLimit, Bucket)


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


class RateLimitAnswer(wire.Answer):
    """A rate limit."""

    sid = wire.SidOf("RK")
    service_sid = wire.SidOf("VA")
    account_sid = wire.SidOf("AC")
    unique_name = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    date_created = serializers.DateTimeField()
    date_updated = serializers.DateTimeField()
    url = serializers.URLField()
    links = serializers.DictField(child=serializers.URLField())


class BucketAnswer(wire.Answer):
    """A bucket."""

    sid = wire.SidOf("BL")
    rate_limit_sid = wire.SidOf("RK")
    service_sid = wire.SidOf("VA")
    account_sid = wire.SidOf("AC")
    max = serializers.IntegerField()
    interval = serializers.IntegerField()
    date_created = serializers.DateTimeField()
    date_updated = serializers.DateTimeField()
    url = serializers.URLField()


class RateLimitViewSet(Create, Fetch, List, Update, Delete, ServiceResource):
    """`/Services/{ServiceSid}/RateLimits`: all five operations."""

    path = "Services/<str:service_sid>/RateLimits"
    prefix = "RK"
    key = "rate_limits"
    model = RateLimit
    parameters = RateLimitParameters
    update_parameters = RateLimitChanges
    answer = RateLimitAnswer

    def perform_create(self, **values: Any) -> RateLimit:
        """Write a new limit of the service. Raises NotFound."""
        service = self.loaded_service()
        if not UNIQUE_NAME.match(values["unique_name"]):
            raise exceptions.RateLimitNameInvalid
        return _add(
            RateLimit(service=service, **values),
            to=VerifyService.objects.filter(sid=service.sid),
            siblings=RateLimit.objects.filter(service_id=service.sid),
            most=conf.current().RATE_LIMITS_PER_SERVICE,
            full=exceptions.TooManyRateLimits,
            taken=exceptions.RateLimitExists,
        )

    def perform_update(self, limit: RateLimit, **values: Any) -> RateLimit:
        """Change what was sent."""
        return _change(limit, values, taken=exceptions.RateLimitExists)

    def represent(self, limit: RateLimit) -> dict[str, Any]:
        """Return the contract's object."""
        path = f"Services/{limit.service_id}/RateLimits/{limit.sid}"
        return {
            "sid": limit.sid,
            "service_sid": limit.service_id,
            "account_sid": self.account.sid,
            "unique_name": limit.unique_name,
            "description": limit.description or None,
            "date_created": wire.timestamp(limit.date_created),
            "date_updated": wire.timestamp(limit.date_updated),
            "url": self.link(path),
            "links": {"buckets": self.link(f"{path}/Buckets")},
        }


class BucketViewSet(Create, Fetch, List, Update, Delete, ServiceResource):
    """`/Services/{ServiceSid}/RateLimits/{RateLimitSid}/Buckets`: all five operations."""

    path = "Services/<str:service_sid>/RateLimits/<str:rate_limit_sid>/Buckets"
    prefix = "BL"
    key = "buckets"
    model = Bucket
    parameters = BucketParameters
    answer = BucketAnswer

    def rate_limit(self) -> RateLimit:
        """Return the limit that the path names. Raises NotFound."""
        sid = self.kwargs["rate_limit_sid"]
        if not sids.is_sid("RK", sid):
            raise NotFound
        service = self.service
        limits = RateLimit.objects.filter(
            service_id=service.sid, service__account_id=self.account.sid
        )
        found: RateLimit = only(limits.filter(sid=sids.canonical(sid)))
        return found

    def get_queryset(self) -> QuerySet[Bucket]:
        """Return the limit's buckets. Raises NotFound when there is no such limit."""
        return Bucket.objects.filter(rate_limit_id=self.rate_limit().sid)

    def perform_create(self, **values: Any) -> Bucket:
        """Write a new bucket of the limit."""
        limit = self.rate_limit()
        return _add(
            Bucket(rate_limit=limit, **values),
            to=RateLimit.objects.filter(sid=limit.sid),
            siblings=Bucket.objects.filter(rate_limit_id=limit.sid),
            most=conf.current().BUCKETS_PER_RATE_LIMIT,
            full=exceptions.TooManyBuckets,
            taken=exceptions.BucketExists,
        )

    def perform_update(self, bucket: Bucket, **values: Any) -> Bucket:
        """Change what was sent."""
        return _change(bucket, values, taken=exceptions.BucketExists)

    def represent(self, bucket: Bucket) -> dict[str, Any]:
        """Return the contract's object."""
        service = self.service.sid
        path = f"Services/{service}/RateLimits/{bucket.rate_limit_id}/Buckets/{bucket.sid}"
        return {
            "sid": bucket.sid,
            "rate_limit_sid": bucket.rate_limit_id,
            "service_sid": service,
            "account_sid": self.account.sid,
            "max": bucket.max,
            "interval": bucket.interval,
            "date_created": wire.timestamp(bucket.date_created),
            "date_updated": wire.timestamp(bucket.date_updated),
            "url": self.link(path),
        }


def _add(
    row: Row,
    *,
    to: QuerySet[Any],
    siblings: QuerySet[Any],
    most: int,
    full: type[VerifyError],
    taken: type[VerifyError],
) -> Row:
    """Insert a row below a parent that may have `most` of them."""
    using = router.db_for_write(type(row))
    try:
        with savepoints.atomic(using):
            # Updating nothing locks the parent on every database, so that the count holds.
            if not to.using(using).update(date_updated=F("date_updated")):
                raise NotFound
            if siblings.using(using).count() >= most:
                raise full
            row.save(using=using, force_insert=True)
    except IntegrityError:
        raise taken from None
    return row


def _change(row: Row, values: dict[str, Any], *, taken: type[VerifyError]) -> Row:
    """Write the values of a row. Raises NotFound when it was deleted meanwhile."""
    model: type[Model] = type(row)
    using = router.db_for_write(model)
    changes = {**values, "date_updated": timezone.now()}
    rows = model._default_manager.using(using).filter(pk=row.pk)  # noqa: SLF001
    try:
        with savepoints.atomic(using):
            if not rows.update(**changes):
                raise NotFound
    except IntegrityError:
        raise taken from None
    for name, value in changes.items():
        setattr(row, name, value)
    return row
