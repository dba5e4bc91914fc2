"""A site whose verifications are those of django-phone-verify, the usual package."""
