"""A site with the packages themselves, whose numbers are adopted: run as a program of its own."""

import sys
import uuid
from types import SimpleNamespace

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a key for the tests, of more than fifty characters, and no other use",
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "rest_framework", "rest_framework.authtoken", "phone_verify", "drfpasswordless",
        "django_otp", "two_factor", "two_factor.plugins.phonenumber",
        "django_verify", "django_verify.users",
    ],
    PASSWORDLESS_AUTH={"PASSWORDLESS_USER_MOBILE_FIELD_NAME": "first_name"},
    PHONE_VERIFICATION={
        "BACKEND": "phone_verify.backends.twilio.TwilioBackend", "APP_NAME": "x",
        "OPTIONS": {"SID": "x", "SECRET": "x", "FROM": "x"}, "SECURITY_CODE_EXPIRATION_SECONDS": 600,
    },
    MIDDLEWARE=[],
)  # fmt: skip
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.migrations.loader import MigrationLoader  # noqa: E402
from drfpasswordless.settings import DEFAULTS  # noqa: E402
from phone_verify.models import SMSVerification  # noqa: E402
from two_factor.plugins.phonenumber.models import PhoneDevice  # noqa: E402

from django_verify.users import adoption, verified_phones  # noqa: E402

call_command("migrate", verbosity=0)
# The models as a migration of the site has them.
apps = MigrationLoader(connection).project_state().apps
editor = SimpleNamespace(connection=connection)
ann, bob, cid = (User.objects.create_user(name) for name in ("ann", "bob", "cid"))

PhoneDevice.objects.create(user=ann, name="default", number="+14155552671", method="sms")
adoption.from_two_factor(apps, editor)
assert verified_phones.primary(ann).e164 == "+14155552671"

# The columns that drfpasswordless has by default are those of the function.
assert DEFAULTS["PASSWORDLESS_USER_MOBILE_FIELD_NAME"] == "mobile"
assert DEFAULTS["PASSWORDLESS_USER_MOBILE_VERIFIED_FIELD_NAME"] == "mobile_verified"
User.objects.filter(pk=bob.pk).update(first_name="+15017122661")
adoption.from_drfpasswordless(apps, editor, number="first_name", verified="is_active")
assert verified_phones.primary(bob).e164 == "+15017122661"

User.objects.filter(pk=cid.pk).update(last_name="+4915123456789")
SMSVerification.objects.create(
    phone_number="+4915123456789", security_code="1", session_token=uuid.uuid4(), is_verified=True
)
adoption.from_phone_verify(apps, editor, number="last_name")
assert verified_phones.primary(cid).verified_at is not None
sys.stdout.write("ok\n")
