"""How a host is named: as browsers compare it, or not at all."""

import pytest

from django_verify.net import url_policy


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("example.com", "example.com"),
        ("Login.EXAMPLE.com", "login.example.com"),
        ("a-1.b-2.example", "a-1.b-2.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        (f"{'a' * 63}.example", f"{'a' * 63}.example"),
    ],
)
def test_a_name(given, kept):
    assert url_policy.host_name(given) == kept
    assert url_policy.host_name(kept) == kept


@pytest.mark.parametrize(
    "value",
    [
        "", ".", "example", "localhost", "example.com.", ".example.com", "a..example",
        "https://example.com", "example.com/", "example.com:443", "@example.com", "a@example.com",
        "example.com #1", " example.com", "example.com ", "example.com\n", "example.com\0",
        "exa mple.com", "exam\u200bple.com", "a_b.example", "-a.example", "a-.example", "*.example",
        "127.0.0.1", "1.2.3.0x7f", "[::1]", "::1", "%65xample.com", "a%b.example", "a#b.example",
        f"{'a' * 64}.example", "a." * 126 + "aa.b", "x" * 100_000,
        # Two standards make two hosts of these.
        "straße.example", "STRAẞE.example", "ας.example", "a\u200db.example",
    ],
    ids=lambda value: ascii(value)[:24],
)  # fmt: skip
def test_no_name(value):
    with pytest.raises(ValueError, match="no name of a host"):
        url_policy.host_name(value)


ALLOWED = [
    "hooks",
    "localhost",
    ".svc.cluster.local",
    "10.20.0.0/16",
    "127.0.0.1",
    "fd00::/8",
    "API.Internal",
]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks/x",
        "http://localhost:3000/hook",
        "https://a.b.svc.cluster.local/",
        "http://10.20.3.4:8080/",
        "http://127.0.0.1:1/",
        "http://[fd12::1]/",
        "https://api.internal:9443/",
        "https://api.internal./",
    ],
)
def test_what_an_operator_allows(url):
    """A host or network of the site's own, by http too and on any port."""
    url_policy.verify(url, plain=False, allowed=ALLOWED)
    with pytest.raises(url_policy.Refused):
        url_policy.verify(url, plain=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.evil.example/",
        "http://xhooks/",
        "http://svc.cluster.local/",
        "http://xsvc.cluster.local/",
        "http://10.21.0.1/",
        "http://127.0.0.2/",
        "http://[fe80::1]/",
        "http://user@localhost/",
        "ftp://localhost/",
        "http://169.254.169.254/",
        "http://localhost.evil.example/",
        "//localhost/",
    ],
)
def test_nothing_beside_it(url):
    with pytest.raises(url_policy.Refused):
        url_policy.verify(url, plain=False, allowed=ALLOWED)
