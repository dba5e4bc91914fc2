"""Keys and signatures: what is wrong is a ValueError, whatever it is; seals open for one key."""

import base64
import secrets
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_verify.crypto import jose
from tests.device import Phone, base64url, segment

DEEP = "[" * 100_000
NESTED = b'{"a":' * 50_000
BIG = b'{"a":' + b"9" * 5000 + b"}"


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.b64encode(raw).decode())))
@example("\ud800")
@example(DEEP)
@example("A" * 124)
@example(base64.b64encode(b"0" * 100_000).decode())
def test_what_is_no_key_is_a_value_error(text):
    with pytest.raises(ValueError):
        jose.public_key(text)


@given(st.lists(st.one_of(st.text(), st.binary().map(base64url)), max_size=6).map(".".join))
@example(f"{base64url(DEEP.encode())}.e30.AA")
@example(f"e30.{base64url(DEEP.encode())}.AA")
@example(f"e30.{base64url(NESTED)}.AA")
@example(f"e30.{base64url(BIG)}.AA")
@example("e30.e30")
@example("\ud800.e30.AA")
@example("e30.e30.AA\n")
@example(f"{base64url(DEEP.encode())}....")
@example("e30....")
def test_what_is_no_token_is_a_value_error(text):
    with pytest.raises(ValueError):
        jose.parse(text, 1_000_000)
    # A header says nothing of what follows it: one may stand before an empty seal.
    with suppress(ValueError):
        assert isinstance(jose.sealed_header(text, 1_000_000), dict)
    with pytest.raises(ValueError):
        jose.unseal(text.encode("utf-8", "ignore").decode(), bytes(32))


def test_the_two_encodings_of_a_signature_are_not_mixed_up():
    phone = Phone(None, "VA", "x")
    key = jose.public_key(phone.public_key)
    der = jose.decoded(phone.der_signature(b"text"))
    assert jose.is_signed(key, b"text", der)
    assert not jose.is_signed(key, b"Text", der)
    good = phone.jws({"alg": "ES256", "typ": "JWT"}, {"a": 1})
    assert jose.parse(good, 1000) == ({"alg": "ES256", "typ": "JWT"}, {"a": 1})
    assert jose.is_jws_of(key, good)
    body, _, raw = good.rpartition(".")
    assert not jose.is_signed(key, body.encode(), base64.urlsafe_b64decode(raw + "=="))
    other = jose.public_key(Phone(None, "VA", "x").public_key)
    assert not jose.is_jws_of(other, good)
    with pytest.raises(ValueError):
        jose.parse(good, len(good) - 1)


def test_base64_has_one_spelling():
    assert jose.decoded("QQ==") == b"A"
    for text in ("QR==", "QQ", "QQ=", "QQ==\n", " QQ==", "Q Q==", "QQ===", "_w=="):
        with pytest.raises(ValueError):
            jose.decoded(text)


ODD = (None, 5, True, "", "A128KW", [], [[]], {}, {"a": []})


@pytest.mark.parametrize("name", ["alg", "enc", "zip", "crit", "b64", "jwk", "p2c", "epk"])
@pytest.mark.parametrize("value", ODD, ids=str)
def test_a_seal_whose_header_is_not_ours_is_a_value_error(name, value):
    key = secrets.token_bytes(32)
    rest = jose.seal({}, {"kid": "k1", "cty": "x"}, key).partition(".")[2]
    ours = {"alg": "dir", "enc": "A256GCM", "zip": "DEF", "kid": "k1", "cty": "x"}
    token = f"{segment({**ours, name: value})}.{rest}"
    for act in (
        lambda: jose.sealed_header(token, 8000),
        lambda: jose.unseal(token, key),
    ):
        with pytest.raises(ValueError):
            act()


def test_a_seal_opens_for_its_key_alone():
    key = secrets.token_bytes(32)
    token = jose.seal({"jti": "YK1"}, {"kid": "k1", "cty": "x"}, key)
    header = {"alg": "dir", "enc": "A256GCM", "zip": "DEF", "kid": "k1", "cty": "x"}
    assert jose.sealed_header(token, 1000) == header
    assert jose.unseal(token, key) == {"jti": "YK1"}
    head, rest = token.split(".", 1)
    changed = segment({**header, "kid": "k2"})
    for wrong, with_key in ((token, bytes(32)), (f"{changed}.{rest}", key), (head + "....", key)):
        with pytest.raises(ValueError):
            jose.unseal(wrong, with_key)
