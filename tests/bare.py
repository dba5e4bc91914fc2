"""Settings of a site with nothing optional."""

SECRET_KEY = "a key for a site that is only imported, of more than fifty characters"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_verify"]
