"""Settings of the example site, all from the environment, with defaults that run anywhere."""

from importlib.util import find_spec
from pathlib import Path

from django.conf.locale import LANG_INFO
from environs import Env

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()

DEBUG = env.bool("DEBUG", True)
SECRET_KEY = env.str("SECRET_KEY", "for-development-only-" + "x" * 40)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [
    # Before the others, whose templates it puts into its own frame.
    "example_project",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "phonenumber_field",
    "django_verify",
    "django_verify.users",
]
# `manage.py spectacular` writes the OpenAPI document where the extra `schema` is installed.
if find_spec("drf_spectacular"):
    INSTALLED_APPS.append("drf_spectacular")
SPECTACULAR_SETTINGS = {"DEFAULT_GENERATOR_CLASS": "django_verify.api.schema.Generator"}
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    # As the browser asks, or as was chosen at the foot of the page.
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.i18n",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": env.dj_db_url("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}")}
DATABASES["default"]["ATOMIC_REQUESTS"] = env.bool("ATOMIC_REQUESTS", False)
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Write-ahead log: readers and one writer do not wait for each other. Immediate transactions:
    # a writer waits for the lock at BEGIN instead of failing in the middle.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", 60)
# A kept connection is tried before a request uses it: a restart of the database fails no request
# that comes after it.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
CACHES = {"default": env.dj_cache_url("REDIS_URL", "locmem://")}

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "django_verify.users.backends.VerifiedPhoneBackend",
]
LOGIN_REDIRECT_URL = "sign-in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}
]
LANGUAGE_CODE = "en"
# Tagalog, of which Django knows nothing: a look-up of its name would fail.
LANG_INFO.setdefault(
    "tl", {"bidi": False, "code": "tl", "name": "Tagalog", "name_local": "Tagalog"}
)
# Those of the pages, by their own names; Django has those of all but three.
LANGUAGES = [
    *[
        (code, name[0].upper() + name[1:])
        for code in (
            "af ar ca cs da de el en es et fi fr he hi hr hu id it ja ko lt mr ms nb nl pl pt"
            " pt-br ro ru sk sv te th tr uk vi zh-hans zh-hant"
        ).split()
        for name in [LANG_INFO[code]["name_local"]]
    ],
    ("kn", "ಕನ್ನಡ"),
    ("tl", "Tagalog"),
    ("zh-hk", "繁體中文（香港）"),
]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SESSION_COOKIE_HTTPONLY = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django_verify": {"handlers": ["console"], "level": "INFO"}},
}

VERIFY_OUTBOX = env.str("VERIFY_OUTBOX", "")
DJANGO_VERIFY = {
    "BASE_URL": env.str("VERIFY_BASE_URL", ""),
    "DISPATCH": env.str("VERIFY_DISPATCH", "inline"),
    "TRUSTED_PROXIES": env.int("VERIFY_TRUSTED_PROXIES", 0),
    "USERS_VERIFY_URL": "verify_web:start",
    "SENDERS": {
        "outbox": {
            "BACKEND": "django_verify.senders.file.FileSender",
            "OPTIONS": {"path": VERIFY_OUTBOX},
        }
        if VERIFY_OUTBOX
        else {"BACKEND": "django_verify.senders.console.ConsoleSender"}
    },
}
