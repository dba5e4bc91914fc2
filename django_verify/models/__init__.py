"""The models, in the chapters of the vendor's reference; the verbs are in other rooms."""

from django_verify.models.accounts import Account, ApiKey
from django_verify.models.clients import ClientVerification, DeviceKey, SpentToken
from django_verify.models.decisions import (
    Currency,
    GuardCount,
    GuardDecision,
    GuardTrip,
    Price,
    SendOutcome,
    SpendCap,
    SpendWarning,
)
from django_verify.models.entities import Challenge, Entity, Factor
from django_verify.models.fraud import GeoPermission, PrefixRule
from django_verify.models.messaging import MessagingConfiguration, MessagingService
from django_verify.models.push import AccessToken, Notification, PushCredential
from django_verify.models.rollups import (
    AttemptRollup,
    BlockRollup,
    Dashboard,
    RollupHour,
    RollupState,
)
from django_verify.models.safelist import SafeListNumber
from django_verify.models.senders import SenderState
from django_verify.models.services import (
    Bucket,
    BucketCount,
    RateLimit,
    StatusReadCount,
    VerifyService,
)
from django_verify.models.templates import Template, TemplateTranslation
from django_verify.models.testnumbers import TestNumber
from django_verify.models.verifications import Verification, VerificationAttempt
from django_verify.models.webhooks import EventSink, Webhook, WebhookDelivery
from django_verify.models.workers import WorkerHeartbeat

__all__ = [
    "AccessToken",
    "Account",
    "ApiKey",
    "AttemptRollup",
    "BlockRollup",
    "Bucket",
    "BucketCount",
    "Challenge",
    "ClientVerification",
    "Currency",
    "Dashboard",
    "DeviceKey",
    "Entity",
    "EventSink",
    "Factor",
    "GeoPermission",
    "GuardCount",
    "GuardDecision",
    "GuardTrip",
    "MessagingConfiguration",
    "MessagingService",
    "Notification",
    "PrefixRule",
    "Price",
    "PushCredential",
    "RateLimit",
    "RollupHour",
    "RollupState",
    "SafeListNumber",
    "SendOutcome",
    "SenderState",
    "SpendCap",
    "SpendWarning",
    "SpentToken",
    "StatusReadCount",
    "Template",
    "TemplateTranslation",
    "TestNumber",
    "Verification",
    "VerificationAttempt",
    "VerifyService",
    "Webhook",
    "WebhookDelivery",
    "WorkerHeartbeat",
]
