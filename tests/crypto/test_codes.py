"""Codes and secrets: derivation, sealing, comparison, and the rotation of keys."""

import hashlib
import hmac
import struct
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_verify import sids
from django_verify.crypto import codes

SECRETS = {
    "k1": "the first secret of the ring, long enough for anyone",
    "k2": "the second secret of the ring, long enough for anyone",
}
OLD, NEW = "old " + "o" * 60, "new " + "n" * 60


@pytest.fixture(autouse=True)
def ring(settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KEYS": SECRETS}


def use_keys(settings, **keys):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "KEYS": keys}


def use_secret_key(settings, current, *fallbacks):
    use_keys(settings)
    settings.SECRET_KEY = current
    settings.SECRET_KEY_FALLBACKS = list(fallbacks)


def computed(secret, parts, digits):
    """The code as the design reports it, written without the package."""
    key = hmac.new(secret.encode(), b"django_verify derive", hashlib.sha256).digest()
    data = b""
    for part in parts:
        raw = part.encode("utf-8")
        data += struct.pack(">I", len(raw)) + raw
    number = int(hmac.new(key, data, hashlib.sha256).hexdigest(), 16)
    return str(number % 10**digits).zfill(digits)


def derived(*parts, digits=10, key_id="k1"):
    return codes.derive(*parts, digits=digits, key_id=key_id)


def row(**values):
    values = {"sid": sids.verification(), "nonce": codes.new_nonce()} | values
    defaults = {"amount": None, "payee": None, "sealed_code": "", "code_length": 6, "key_id": "k1"}
    return SimpleNamespace(**defaults | values)


@pytest.mark.parametrize("digits", range(4, 11))
@pytest.mark.parametrize("key_id", SECRETS)
def test_a_code_is_the_whole_digest_modulo_its_length(digits, key_id):
    for number in range(50):
        parts = (f"VE{number:032x}", "nonce", "€39.99", "Ünïcode payee")
        code = derived(*parts, digits=digits, key_id=key_id)
        assert code == computed(SECRETS[key_id], parts, digits)
        assert len(code) == digits


def test_leading_zeros_are_kept():
    found = [derived(str(number), digits=4) for number in range(500)]
    assert any(code.startswith("00") for code in found)
    assert {len(code) for code in found} == {4}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("1", "23"), ("12", "3")),
        (("123",), ("1", "23")),
        (("123", ""), ("123",)),
        (("", "123"), ("123", "")),
        (("a", "b"), ("b", "a")),
        (("é",), ("e\u0301",)),
        (("\0\0\0\1a",), ("", "a")),
    ],
)
def test_no_two_lists_of_parts_share_a_code(one, other):
    assert derived(*one) != derived(*other)


@given(st.lists(st.text(max_size=8), max_size=4), st.lists(st.text(max_size=8), max_size=4))
@examples(deadline=None, database=None, max_examples=200)
def test_parts_are_distinguished_whatever_they_hold(one, other):
    assert (derived(*one) == derived(*other)) == (one == other)


def test_the_same_parts_are_the_same_code():
    assert derived("VE1", "n", "", "") == derived("VE1", "n", "", "")


def test_each_key_makes_its_own_codes():
    assert derived("VE1", key_id="k1") != derived("VE1", key_id="k2")


def test_a_key_outside_the_ring_is_a_lookup_error():
    with pytest.raises(LookupError, match="'gone' is no longer configured"):
        derived("VE1", key_id="gone")


def test_codes_are_uniform():
    """20,000 codes of four digits: chi-square within five standard deviations of its mean."""
    found = [derived("VE", str(number), digits=4) for number in range(20_000)]
    counts = Counter(found)
    chi_square = sum((counts[f"{n:04d}"] - 2) ** 2 / 2 for n in range(10_000))
    assert abs(chi_square - 9_999) < 5 * (2 * 9_999) ** 0.5
    for place in range(4):
        digits = Counter(code[place] for code in found)
        assert sum((digits[d] - 2_000) ** 2 / 2_000 for d in "0123456789") < 34


def test_a_row_reveals_its_derived_code():
    verification = row(amount="€39.99", payee="Shop")
    parts = (verification.sid, verification.nonce, "€39.99", "Shop")
    assert codes.reveal(verification) == computed(SECRETS["k1"], parts, 6)


@pytest.mark.parametrize(
    "change",
    [{"sid": "VE" + "0" * 32}, {"nonce": "0" * 32}, {"amount": "1"}, {"payee": "1"}],
    ids=str,
)
def test_the_code_is_bound_to_every_field_of_its_row(change):
    before = row(code_length=10, amount="2", payee="2")
    after = SimpleNamespace(**vars(before) | change)
    assert codes.reveal(before) != codes.reveal(after)


def test_a_row_reveals_its_sealed_code():
    verification = row()
    verification.sealed_code = codes.seal("Ab12", bound_to=verification.sid, key_id="k1")
    assert codes.reveal(verification) == "Ab12"


@pytest.mark.parametrize("code", ["0000", "1234567890", "aBcDeF0123"])
def test_a_sealed_code_opens_for_its_row(code):
    sealed = codes.seal(code, bound_to="VE1", key_id="k1")
    assert code not in sealed
    assert len(sealed) <= 128
    assert codes.unseal(sealed, bound_to="VE1", key_id="k1") == code


def test_two_seals_of_one_code_differ():
    assert len({codes.seal("1234", bound_to="VE1", key_id="k1") for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"bound_to": "VE2", "key_id": "k1"},
        {"bound_to": "", "key_id": "k1"},
        {"bound_to": "VE1", "key_id": "k2"},
        {"bound_to": "VE1", "key_id": "gone"},
    ],
    ids=str,
)
def test_another_row_or_key_cannot_open_a_seal(wrong):
    sealed = codes.seal("1234", bound_to="VE1", key_id="k1")
    with pytest.raises(LookupError):
        codes.unseal(sealed, **wrong)


def test_a_changed_seal_does_not_open():
    sealed = codes.seal("12345678", bound_to="VE1", key_id="k1")
    for place in range(len(sealed.rstrip("=")) - 1):
        other = "A" if sealed[place] != "A" else "B"
        with pytest.raises(LookupError):
            codes.unseal(sealed[:place] + other + sealed[place + 1 :], bound_to="VE1", key_id="k1")


@pytest.mark.parametrize("damaged", ["", "AAAA", "not base64!", "é", "A"], ids=ascii)
def test_a_damaged_seal_does_not_open(damaged):
    with pytest.raises(LookupError):
        codes.unseal(damaged, bound_to="VE1", key_id="k1")


def test_a_shortened_seal_does_not_open():
    sealed = codes.seal("12345678", bound_to="VE1", key_id="k1")
    for length in range(len(sealed) - 1):
        with pytest.raises(LookupError):
            codes.unseal(sealed[:length], bound_to="VE1", key_id="k1")


@pytest.mark.parametrize("value", ["1234", "0000", "1234567890", "abcd", "aB3dE5gH9j"])
def test_a_custom_code_has_4_to_10_letters_and_digits(value):
    assert codes.is_custom_code(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "123",
        "12345678901",
        "1234\n",
        "\n1234",
        "1234 ",
        " 1234",
        "12 34",
        "12-34",
        "１２３４",
        "١٢٣٤",
        "²³¹⁴",
        "аbcd",
        "éabc",
        "1234\0",
        "12\u200b34",
        "\u202e1234",
        "\ud800123",
    ],
    ids=ascii,
)
def test_anything_else_is_no_custom_code(value):
    assert codes.is_custom_code(value) is False


def test_equal_codes_match():
    assert codes.matches("012345", "012345") is True


@pytest.mark.parametrize(
    "given",
    [
        "",
        "01234",
        "0123456",
        "012346",
        "12345",
        " 012345",
        "012345\n",
        "012345\0",
        "０１２３４５",
        "٠١٢٣٤٥",
        "01234é",
        "\ud800",
        "012345\u200b",
    ],
    ids=ascii,
)
def test_other_text_is_simply_wrong(given):
    assert codes.matches("012345", given) is False


def test_case_matters():
    assert not codes.matches("abcd", "ABCD")


def test_nonces_and_secrets_are_new_each_time():
    nonces = {codes.new_nonce() for _ in range(50)}
    secrets = {codes.new_secret() for _ in range(50)}
    assert len(nonces) == len(secrets) == 50
    assert {len(nonce) for nonce in nonces} == {22}
    assert {len(secret) for secret in secrets} == {43}


def test_a_secret_is_stored_as_a_keyed_digest():
    secret = codes.new_secret()
    stored = codes.hash_secret(secret)
    key = hmac.new(SECRETS["k1"].encode(), b"django_verify secret", hashlib.sha256).digest()
    assert stored == "k1$" + hmac.new(key, secret.encode(), hashlib.sha256).hexdigest()
    assert codes.secret_matches(stored, secret) is True


@pytest.mark.parametrize(
    "given",
    ["", "wrong", "the secret ", "THE SECRET", "\ud800", "é" * 43, "the secret\0"],
    ids=ascii,
)
def test_another_secret_does_not_match(given):
    assert codes.secret_matches(codes.hash_secret("the secret"), given) is False


@pytest.mark.parametrize("stored", ["", "$", "k1", "k1$", "gone$" + "0" * 64, "$" + "0" * 64])
@pytest.mark.parametrize("given", ["", "secret", "\ud800"], ids=ascii)
def test_nothing_matches_what_was_never_stored(stored, given):
    assert codes.secret_matches(stored, given) is False


@pytest.mark.parametrize("stored", ["", "gone$" + "0" * 64, "k1$" + "0" * 64])
def test_an_unknown_name_costs_the_same_as_a_wrong_secret(stored, monkeypatch):
    calls = []
    digest = codes._digest
    monkeypatch.setattr(codes, "_digest", lambda *args: calls.append(args) or digest(*args))
    codes.secret_matches(stored, "secret")
    assert len(calls) == 1


def test_a_new_key_in_front_keeps_the_old_hashes_and_codes(settings):
    use_keys(settings, a=OLD)
    stored, code = codes.hash_secret("secret"), derived("VE1", key_id="a")
    sealed = codes.seal("1234", bound_to="VE1", key_id="a")
    use_keys(settings, b=NEW, a=OLD)
    assert codes.current_key_id() == "b"
    assert codes.hash_secret("secret").startswith("b$")
    assert codes.secret_matches(stored, "secret")
    assert derived("VE1", key_id="a") == code
    assert codes.unseal(sealed, bound_to="VE1", key_id="a") == "1234"


def test_a_removed_key_takes_its_hashes_and_codes_with_it(settings):
    use_keys(settings, a=OLD)
    stored = codes.hash_secret("secret")
    use_keys(settings, b=NEW)
    assert codes.secret_matches(stored, "secret") is False
    with pytest.raises(LookupError):
        codes.reveal(row(key_id="a"))


def test_another_secret_under_the_same_id_is_another_key(settings):
    use_keys(settings, a=OLD)
    stored = codes.hash_secret("secret")
    use_keys(settings, a=NEW)
    assert codes.secret_matches(stored, "secret") is False


@pytest.mark.parametrize("as_bytes", [False, True])
def test_secret_key_may_move_to_its_fallbacks(settings, as_bytes):
    old, new = (OLD.encode(), NEW.encode()) if as_bytes else (OLD, NEW)
    use_secret_key(settings, old)
    key_id, stored = codes.current_key_id(), codes.hash_secret("secret")
    code = derived("VE1", key_id=key_id)
    use_secret_key(settings, new, old)
    assert codes.current_key_id() != key_id
    assert codes.secret_matches(stored, "secret")
    assert derived("VE1", key_id=key_id) == code


def test_a_fallback_that_is_gone_is_forgotten(settings):
    use_secret_key(settings, OLD)
    key_id, stored = codes.current_key_id(), codes.hash_secret("secret")
    use_secret_key(settings, NEW)
    assert not codes.secret_matches(stored, "secret")
    with pytest.raises(LookupError):
        derived("VE1", key_id=key_id)


def test_key_ids_and_hashes_fit_their_columns(settings):
    use_secret_key(settings, OLD)
    assert len(codes.current_key_id()) == 16
    use_keys(settings, **{"k" * 16: NEW})
    assert len(codes.hash_secret("secret")) <= 90


def test_each_use_of_a_key_has_a_key_of_its_own():
    uses = {codes._key("k1", purpose) for purpose in ("derive", "seal", "secret")}
    assert len(uses) == 3
    assert {len(key) for key in uses} == {32}
