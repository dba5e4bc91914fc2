"""Errors of changes to a service, its limits, or the account's safe list."""

from __future__ import annotations

from django_verify.exceptions.base import VerifyError


class FeatureDisabled(VerifyError):
    """The service does not have the feature that the request uses."""

    code = 60204
    status = 403
    message = "Service does not have the requested feature enabled"


class TooManyRateLimits(VerifyError):
    """The service has all the rate limits that it may have."""

    code = 60207
    status = 400
    message = "Max rate limits per service reached"


class RateLimitExists(VerifyError):
    """The service has a rate limit of this unique name."""

    code = 60208
    status = 400
    message = "A rate limit with this UniqueName exists"


class RateLimitNameInvalid(VerifyError):
    """A unique name has letters, digits, `-`, `_` and `.` only."""

    code = 60209
    status = 400
    message = "UniqueName may hold letters, digits, hyphens, underscores and dots only"


class TooManyBuckets(VerifyError):
    """The rate limit has all the buckets that it may have."""

    code = 60210
    status = 400
    message = "Max buckets per rate limit reached"


class BucketExists(VerifyError):
    """The rate limit has a bucket of this interval."""

    code = 60211
    status = 400
    message = "A bucket with this Interval exists"


class DuplicateMessagingCountry(VerifyError):
    """The service has a messaging configuration for this country already."""

    code = 60213
    status = 400
    message = "Messaging configuration for this country already exists"


class RestrictedWord(VerifyError):
    """A brand name holds a word that the site does not allow."""

    code = 60248
    status = 400
    message = "The friendly name holds a restricted word"


class AlreadySafeListed(VerifyError):
    """The number is on the account's safe list, in this or another spelling."""

    code = 60411
    status = 409
    message = "The phone number is already in the safe list"
