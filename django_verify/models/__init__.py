"""The tables, in the chapters of the vendor's reference; rows and rules, no verbs."""

from django_verify.models.accounts import Account, ApiKey
from django_verify.models.messaging import MessagingConfiguration, MessagingService
from django_verify.models.services import VerifyService
from django_verify.models.templates import Template, TemplateTranslation
from django_verify.models.verifications import Verification, VerificationAttempt

__all__ = [
    "Account",
    "ApiKey",
    "MessagingConfiguration",
    "MessagingService",
    "Template",
    "TemplateTranslation",
    "Verification",
    "VerificationAttempt",
    "VerifyService",
]
