"""Settings of the site."""

from tests import bare

SECRET_KEY = bare.SECRET_KEY
INSTALLED_APPS = [
    *bare.INSTALLED_APPS,
    "django_verify.users",
    "rest_framework",
    "drf_spectacular",
]
ROOT_URLCONF = "tests.mobile.host.urls"
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
DJANGO_VERIFY = {
    "MOBILE_AUTHENTICATION": ["rest_framework.authentication.BasicAuthentication"],
}
