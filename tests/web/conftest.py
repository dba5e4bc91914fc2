"""A service that is open to pages, and a visitor who goes through them."""

from html.parser import HTMLParser

import pytest
from django.test import Client

from tests.conftest import PHONE, make_service

#: A visitor whose browser speaks the English of a country that the picker then begins with.
FROM_US = {"HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.9"}


@pytest.fixture
def service(account):
    return make_service(account, client_enabled=True)


class Page(HTMLParser):
    """What a person, or a screen reader, finds on a page."""

    VOID = {"input", "meta", "link", "br", "img"}

    def __init__(self, response):
        super().__init__()
        self.status = response.status_code
        self.url = response.request["PATH_INFO"]
        self.html = response.content.decode()
        self.tags = []
        self._open = []
        self.feed(self.html)
        assert not self._open, self._open

    def handle_starttag(self, tag, attributes):
        found = {"tag": tag, "text": "", **dict(attributes)}
        self.tags.append(found)
        if tag not in self.VOID:
            self._open.append(found)

    def handle_endtag(self, tag):
        assert self._open[-1]["tag"] == tag, (self._open[-1], tag)
        self._open.pop()

    def handle_data(self, text):
        for tag in self._open:
            tag["text"] += text

    def all(self, tag=None, **attributes):
        return [
            found
            for found in self.tags
            if tag in {None, found["tag"]}
            and all(
                found.get(name.rstrip("_").replace("_", "-")) == value
                for name, value in attributes.items()
            )
        ]

    def one(self, tag=None, **attributes):
        (found,) = self.all(tag, **attributes)
        return found

    def texts(self, tag=None, **attributes):
        return [" ".join(found["text"].split()) for found in self.all(tag, **attributes)]

    @property
    def heading(self):
        (text,) = self.texts("h1")
        return text

    @property
    def alerts(self):
        return [text for text in self.texts(role="alert") if text]

    @property
    def said(self):
        return [text for text in self.texts(role="status") if text]

    @property
    def focused(self):
        (found,) = [tag for tag in self.tags if "autofocus" in tag]
        return found.get("name") or found["tag"]

    @property
    def links(self):
        return {" ".join(tag["text"].split()): tag["href"] for tag in self.all("a")}


class Visitor:
    """A browser that follows redirects, and posts what a page's forms hold."""

    def __init__(self, root="/", **client):
        self.root = root
        self.client = Client(**(FROM_US | client))
        self.page = None

    def get(self, path="", **query):
        self.page = Page(self.client.get(self.root + path, query, follow=True))
        return self.page

    def post(self, path, **values):
        response = self.client.post(self.root + path, values, follow=True)
        self.page = Page(response)
        self.redirects = [url for url, _ in response.redirect_chain]
        return self.page

    def start(self, number=PHONE, channel="sms", **values):
        return self.post("", number=number, channel=channel, **values)

    @property
    def sid(self):
        return self.page.all("input", name="verification")[0]["value"]

    def check(self, code, sid=None):
        return self.post("code/", code=code, verification=sid or self.sid)

    def resend(self, channel=None, sid=None):
        """Press the first button of those that send, or one that names another channel."""
        if channel is None:
            channel = next((tag["value"] for tag in self.page.all("button", name="channel")), "")
        return self.post("resend/", channel=channel, verification=sid or self.sid)


@pytest.fixture
def visitor():
    return Visitor()
