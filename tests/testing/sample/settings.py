"""Settings of the sample site; its sender would need credentials, and nobody gives it any."""

import environs

env = environs.Env()
SECRET_KEY = "a key of the sample site, of more than fifty characters, for its tests"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "phonenumber_field",
    "django_verify",
]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
DATABASES = {"default": env.dj_db_url("DATABASE_URL", "sqlite://:memory:")}
DATABASES["default"]["ATOMIC_REQUESTS"] = True
ROOT_URLCONF = "tests.testing.sample.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_URL = "static/"
USE_TZ = True
DJANGO_VERIFY = {
    "SENDERS": {
        "provider": {
            "BACKEND": "django_verify.senders.plivo.PlivoSender",
            "OPTIONS": {"auth_id": "MA", "auth_token": "secret", "from_number": "+15017122661"},
        },
    },
    "DISPATCH": "tasks",
    "BOT_PROTECTION": {
        "BACKEND": "django_verify.gates.turnstile.TurnstileGate",
        "OPTIONS": {"secret_key": "secret", "site_key": "site", "hostnames": ["example.com"]},
    },
}
