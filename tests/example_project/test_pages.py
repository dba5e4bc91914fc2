"""The example site's frame around the web flow, and what it says before it is set up."""

import pytest

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
