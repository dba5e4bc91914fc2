"""Secrets that can sign, and URLs as the receiver sees them."""

import pytest

from django_verify.events import signatures


def test_every_new_secret_is_another_one():
    secrets = {signatures.new_secret() for _ in range(10)}
    assert len(secrets) == 10
    assert all(signatures.is_secret(secret) for secret in secrets)


@pytest.mark.parametrize(
    ("text", "can"),
    [
        ("whsec_" + "A" * 32, True),
        ("whsec_" + "A" * 28, False),
        ("whsec_" + "A" * 31, False),
        ("whsec_" + "A" * 86 + "==", True),
        ("whsec_" + "A" * 88, False),
        ("whsec_" + "*" * 32, False),
        ("x" * 24, True),
        ("x" * 23, False),
        ("x" * 128, True),
        ("x" * 129, False),
        ("é" * 32, False),
        ("x" * 32 + "\n", False),
        ("", False),
    ],
    ids=str,
)
def test_what_can_sign(text, can):
    assert signatures.is_secret(text) is can


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://EXAMPLE.com:8443/A?b=%2f#c", "https://example.com:8443/A?b=%2F"),
        ("https://example.com/%7Ea", "https://example.com/~a"),
        ("https:///x", "https:///x"),
    ],
)
def test_the_url_that_is_signed(url, seen):
    assert signatures.canonical_url(url) == seen


@pytest.mark.parametrize(
    ("url", "beginning"),
    [
        ("https://example.com/", "https://example.com/?bodySHA256="),
        ("https://example.com/?", "https://example.com/?bodySHA256="),
        ("https://example.com/?a=b", "https://example.com/?a=b&bodySHA256="),
    ],
)
def test_the_url_with_the_digest_of_the_body(url, beginning):
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert signatures.with_body_hash(url, b"") == beginning + digest


def test_the_examples_of_the_standards():
    """Standard Webhooks' own vector, and the vendor's documented one."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signature = signatures.standard_signature(
        [secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    pairs = [
        ("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234"),
        ("From", "+14158675309"), ("To", "+18005551212"),
    ]  # fmt: skip
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signatures.url_signature("12345", url, pairs[::-1]) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
