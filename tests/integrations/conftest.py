"""Sites that have another package installed: its apps, and their tables, while a module's tests run."""

from contextlib import contextmanager

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.test import override_settings
from pytest_django.live_server_helper import LiveServer

from tests.conftest import make_service
from tests.example_project.conftest import chromium  # noqa: F401


@pytest.fixture(scope="module")
def installed(django_db_setup, django_db_blocker):
    """`with installed(*apps, **settings)`: their tables are made, and dropped again."""

    @contextmanager
    def installed(*names, **values):
        names = [name for name in names if name not in settings.INSTALLED_APPS]
        registered = set(admin.site._registry)
        # In this order, because apps look at the other settings when they are installed.
        with (
            override_settings(**values),
            override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, *names]),
        ):
            mine = [config for config in apps.get_app_configs() if config.name in names]
            models = [model for config in mine for model in config.get_models()]
            with django_db_blocker.unblock():
                with connection.schema_editor() as editor:
                    for model in models:
                        editor.create_model(model)
                try:
                    yield
                finally:
                    with connection.schema_editor() as editor:
                        for model in reversed(models):
                            editor.delete_model(model)
        # Their modules for the admin are imported once, and name tables that are gone.
        for model in set(admin.site._registry) - registered:
            admin.site.unregister(model)

    return installed


@pytest.fixture
def service(account):
    return make_service(account, custom_code_enabled=True)


@pytest.fixture
def walk(site, chromium):  # noqa: F811
    """`walk(steps)` calls a function with a page, at the size of a phone, and the site's address.

    The site is served by a server of its own, whose middleware is that of these settings.
    """
    server = LiveServer("127.0.0.1")

    def walk(steps):
        def run(browser):
            context = browser.new_context(viewport={"width": 390, "height": 844})
            try:
                page = context.new_page()
                page.set_default_timeout(15_000)
                steps(page, server.url)
            finally:
                context.close()

        chromium(run)

    yield walk
    server.stop()
