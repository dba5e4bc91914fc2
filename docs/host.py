"""The smallest site on which everything that the documentation describes can be imported."""

import django
from django.conf import settings


def set_up() -> None:
    """Set Django up, unless a site or a test has done so."""
    if settings.configured:
        return
    settings.configure(
        SECRET_KEY="only-for-the-documentation",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django_verify",
            "django_verify.users",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        USE_I18N=False,
    )
    django.setup()
