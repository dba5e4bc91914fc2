"""The example site's frame around the web flow, and what it says before it is set up."""

import re

import pytest
from django.utils import translation

from django_verify.messages.channels import TEXT_LOCALES
from tests.conftest import make_service

pytestmark = pytest.mark.django_db


def test_the_flow_stands_in_the_site_s_frame(client, account):
    make_service(account, client_enabled=True)
    html = client.get("/").text
    assert "example_project/site.css" in html
    assert 'aria-current="page">Number</a>' in html
    assert html.count("<h1>") == 1
    assert "<title>Verify your number" in html


def test_a_wrong_field_is_reported_once_in_the_title(client, account):
    make_service(account, client_enabled=True)
    html = client.post("/", {"channel": "sms"}).text
    assert html.count("Error:") == 1


def test_before_it_is_set_up(client, db):
    response = client.get("/")
    assert response.status_code == 503
    assert "make serve" in response.text
    assert client.get("/authenticator/", follow=True).status_code == 503


def test_other_pages_keep_their_frame(client, account):
    html = client.get("/sign-in/").text
    assert html.count("<h1>") == 1
    assert "Verify your number" not in html
    assert "<style" not in html


@pytest.fixture
def locales(settings):
    """The middleware that the example site has, and the tests have not."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    with translation.override("en"):  # the middleware leaves its language in this thread
        yield


@pytest.mark.portable
def test_the_browser_s_language_is_spoken(client, account, locales):
    make_service(account, client_enabled=True)
    for asked, language, heading in (
        ("he-IL,he;q=0.9", 'lang="he" dir="rtl"', "אימות המספר"),
        ("zh-TW", 'lang="zh-hant" dir="ltr"', "驗證您的號碼"),
        ("eu", 'lang="en" dir="ltr"', "Verify your number"),
    ):
        html = client.get("/", headers={"Accept-Language": asked}).text
        assert f"<html {language}>" in html
        assert f"<h1>{heading}" in html
    assert '<html lang="en">' in client.get("/sign-in/", headers={"Accept-Language": "he"}).text


def test_a_visitor_chooses_a_language(client, account, locales, settings):
    make_service(account, client_enabled=True)
    html = client.get("/language/").text
    offered = set(re.findall(r'name="language" value="([\w-]+)"', html))
    assert offered == {code for code, _ in settings.LANGUAGES}
    assert len(offered) == len(TEXT_LOCALES) + 1  # Chinese in the script of Taiwan
    response = client.post("/language/set/", {"language": "tl", "next": "/"}, follow=True)
    assert "<h1>I-verify ang iyong numero" in response.text
    assert 'lang="tl" aria-current="true"' in client.get("/language/").text
