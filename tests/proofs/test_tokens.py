"""Proofs: redeemed once, for what they were issued for, under the site's keys and no others."""

import base64
import datetime as dt
import json
import pickle
import traceback

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, example, given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from django_verify import conf, proofs
from django_verify.crypto import codes
from django_verify.models import SpentToken
from django_verify.proofs import ProofRefused, keys, tokens
from tests.conftest import PHONE, ROUNDS, purged
from tests.proof import (
    ED25519,
    P256,
    RINGS,
    SERVICE,
    SID,
    URL,
    issue,
    opened,
    public_pem,
    reason,
    redeem,
    segment,
    signed,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]


@pytest.fixture(params=RINGS)
def algorithm(request, settings):
    settings.DJANGO_VERIFY = {"BASE_URL": URL, "PROOF_KEYS": RINGS[request.param]}
    return request.param


def test_a_proof_states_what_was_approved(algorithm, clock):
    proof = redeem(issue(nonce="form 7"), nonce="form 7")
    assert (proof.sid, proof.subject, proof.channel) == (SID, PHONE, "sms")
    assert (proof.service_sid, proof.purpose, proof.nonce) == (SERVICE, "sign-up", "form 7")
    assert proof.test is False
    assert proof.approved_at == dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    assert proof.expires_at - proof.approved_at == dt.timedelta(seconds=600)


def test_its_claims_and_header_are_the_documented_ones(algorithm, clock):
    header, claims, _ = issue(approved_at=timezone.now() - dt.timedelta(seconds=5)).split(".")
    kid = next(iter(conf.key_ring())) if algorithm == "HS256" else "2026-06"
    assert opened(header) == {"typ": "verify-proof+jwt", "alg": algorithm, "kid": kid}
    now = int(timezone.now().timestamp())
    assert opened(claims) == {
        "iss": URL,
        "aud": URL,
        "sub": PHONE,
        "channel": "sms",
        "service": SERVICE,
        "purpose": "sign-up",
        "jti": SID,
        "iat": now,
        "nbf": now - 5,
        "exp": now + 595,
    }
    assert opened(issue(nonce="ñ", test=True).split(".")[1]).items() >= {
        ("nonce", "ñ"),
        ("test", True),
    }


def test_neither_repr_nor_error_shows_recipient_token_or_nonce():
    token = issue(nonce="planted")
    proof = proofs.read(token, purpose="sign-up")
    assert PHONE not in repr(proof)
    assert "planted" not in repr(proof)
    proofs.consume(proof)
    for given_ in (token, token[:-4], token.replace(".", ".e")):
        with pytest.raises(ProofRefused) as caught:
            redeem(given_)
        received = "".join(traceback.format_exception(caught.value))
        assert not any(part in received for part in (*token.split("."), PHONE, "planted"))


def test_a_refusal_has_words_and_crosses_processes():
    for name in proofs.REASONS:
        again = pickle.loads(pickle.dumps(ProofRefused(name)))
        assert (again.reason, str(again)) == (name, str(proofs.REASONS[name]))


def test_it_is_redeemed_once_and_reading_uses_nothing_up(algorithm):
    token = issue()
    for _ in range(2):
        assert proofs.read(token, purpose="sign-up").subject == PHONE
    redeem(token)
    assert reason(token) == "already_used"
    assert proofs.read(token, purpose="sign-up").subject == PHONE


def test_issued_again_it_is_the_same_use_and_lasts_no_longer(clock):
    began = timezone.now()
    first = issue(approved_at=began)
    clock.shift(300)
    again = issue(approved_at=began)
    assert first != again
    redeem(again)
    assert reason(first) == "already_used"
    clock.shift(300)
    assert reason(issue(approved_at=began)) == "expired"


def test_another_approval_is_another_use():
    redeem(issue())
    redeem(issue(sid="CV" + "2" * 32))


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_fifty_redemptions_at_one_moment_one_succeeds(aligned, round_):
    token = issue()

    def attempt():
        try:
            return redeem(token).subject
        except ProofRefused as refused:
            return refused.reason

    results = aligned([attempt] * 50)
    assert sorted(results) == [PHONE] + ["already_used"] * 49


def test_a_sign_up_that_is_rolled_back_gives_it_back():
    token = issue()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        redeem(token)
        assert reason(token) == "already_used"
        1 / 0  # noqa: B018
    redeem(token)
    assert reason(token) == "already_used"


def test_the_pass_forgets_no_proof_that_a_slow_clock_would_take(clock):
    redeem(issue())
    clock.shift(601 + 3600)
    assert purged("spent tokens") == 0
    clock.shift(60)
    assert purged("spent tokens") == 1


def test_without_time_zones(settings, clock):
    settings.USE_TZ = False
    token = issue()
    redeem(token)
    assert reason(token) == "already_used"
    # Purged by the same clock that wrote it.
    assert abs(SpentToken.objects.get().expires_at - timezone.now()) < dt.timedelta(seconds=661)


def test_it_expires_to_the_second(algorithm, clock, settings):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "PROOF_LIFETIME": 60}
    token = issue()
    clock.shift(59.7)  # the fixture begins at a quarter of a second
    assert proofs.read(token, purpose="sign-up")
    clock.shift(0.05)
    assert reason(token) == "expired"


def test_clocks_may_differ_a_little(clock):
    ahead = issue(approved_at=timezone.now() + dt.timedelta(seconds=10))
    assert proofs.read(ahead, purpose="sign-up")
    assert reason(issue(approved_at=timezone.now() + dt.timedelta(seconds=11))) == "not_yet"


@pytest.mark.parametrize(
    ("values", "demanded", "why"),
    [
        ({}, {"purpose": "login"}, "wrong_purpose"),
        ({}, {"purpose": ""}, "wrong_purpose"),
        ({}, {"purpose": "sign-up "}, "wrong_purpose"),
        ({}, {"audience": "https://elsewhere.example"}, "wrong_audience"),
        ({}, {"audience": ""}, "wrong_audience"),
        ({"nonce": "a"}, {"nonce": "b"}, "wrong_nonce"),
        ({"nonce": "a"}, {"nonce": ""}, "wrong_nonce"),
        ({}, {"nonce": "a"}, "wrong_nonce"),
        ({}, {"nonce": ""}, "wrong_nonce"),
        ({"test": True}, {}, "test_proof"),
    ],
    ids=str,
)
def test_it_is_for_one_thing(values, demanded, why):
    token = issue(**values)
    assert reason(token, **demanded) == why
    # Refused is not used up.
    redeem(token, nonce=values.get("nonce"), allow_test=True)


def test_a_test_proof_is_accepted_where_that_is_allowed():
    assert redeem(issue(test=True), allow_test=True).test is True
    assert redeem(issue(sid="CV" + "3" * 32), allow_test=True).test is False


def test_an_audience_of_ones_own(settings):
    settings.DJANGO_VERIFY = {"BASE_URL": URL, "PROOF_AUDIENCE": "app"}
    token = issue()
    assert reason(token, audience=URL) == "wrong_audience"
    settings.DJANGO_VERIFY = {"BASE_URL": URL}
    assert reason(token) == "wrong_audience"
    assert redeem(token, audience="app").subject == PHONE


def test_another_issuer_with_the_same_key(settings):
    settings.DJANGO_VERIFY = {"BASE_URL": "https://staging.example.com", "PROOF_AUDIENCE": "app"}
    token = issue()
    settings.DJANGO_VERIFY = {"BASE_URL": URL, "PROOF_AUDIENCE": "app"}
    assert reason(token) == "wrong_issuer"


def test_no_character_can_be_changed(algorithm):
    token = issue()
    for place, char in enumerate(token):
        changed = token[:place] + ("A" if char != "A" else "B") + token[place + 1 :]
        assert reason(changed) in {"malformed", "bad_signature"}, place
        assert reason(token[:place] + token[place + 1 :]) in {"malformed", "bad_signature"}
    redeem(token)


def test_a_segment_of_another_proof_does_not_fit(algorithm):
    one, other = issue().split("."), issue(subject="+15017122661").split(".")
    assert reason(".".join([one[0], other[1], one[2]])) == "bad_signature"
    assert reason(".".join([one[0], one[1], other[2]])) == "bad_signature"


def test_a_signature_has_one_spelling(algorithm):
    head, claims, last = issue().split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    stray = alphabet[alphabet.index(last[-1]) + 1]  # the same bytes to a lenient decoder
    assert base64.urlsafe_b64decode(last + "==") == base64.urlsafe_b64decode(
        last[:-1] + stray + "=="
    )
    for spelled in (last[:-1] + stray, last + "=", last + "\n", last + "A"):
        assert reason(f"{head}.{claims}.{spelled}") in {"malformed", "bad_signature"}
    redeem(f"{head}.{claims}.{last}")


HEADERS = [
    ({"alg": "none"}, "bad_signature"),
    ({"alg": "None"}, "bad_signature"),
    ({"alg": "HS512"}, "bad_signature"),
    ({"alg": None}, "bad_signature"),
    ({"alg": ["HS256"]}, "bad_signature"),
    ({"kid": "elsewhere"}, "bad_signature"),
    ({"kid": ""}, "bad_signature"),
    ({"kid": "../../dev/null"}, "bad_signature"),
    ({"kid": None}, "malformed"),
    ({"kid": 1}, "malformed"),
    ({"kid": ["2026-06"]}, "malformed"),
    ({"typ": "JWT"}, "malformed"),
    ({"typ": "Verify-Proof+JWT"}, "malformed"),
    ({"crit": []}, "malformed"),
    ({"crit": ["exp"]}, "malformed"),
    ({"b64": False}, "malformed"),
    ({"zip": "DEF"}, "malformed"),
    ({"jwk": {"kty": "oct", "k": ""}}, "malformed"),
    ({"jku": URL}, "malformed"),
]


@pytest.mark.parametrize(("change", "why"), HEADERS, ids=str)
def test_a_header_has_three_members_that_fit_its_key(algorithm, change, why):
    head, claims, last = issue().split(".")
    changed = opened(head) | change
    key = next(iter(keys.ring().values()))
    assert reason(signed(changed, claims, key)) == why
    assert reason(f"{segment(changed)}.{claims}.{last}") == why
    assert reason(f"{segment(changed)}.{claims}.") == "malformed"
    assert redeem(signed(opened(head), claims, key)).subject == PHONE


@pytest.mark.parametrize("name", ["typ", "alg", "kid"])
def test_no_member_of_the_header_may_be_missing(algorithm, name):
    head, claims, _ = issue().split(".")
    header = {key: value for key, value in opened(head).items() if key != name}
    key = next(iter(keys.ring().values()))
    assert reason(signed(header, claims, key)) == "malformed"


def test_a_public_key_is_no_shared_secret(settings):
    for algorithm in ("ES256", "EdDSA"):
        settings.DJANGO_VERIFY = {"PROOF_KEYS": RINGS[algorithm]}
        head, claims, _ = issue().split(".")
        (text,) = RINGS[algorithm].values()
        (known,) = keys.published()
        public = public_pem(text)
        for secret in (public, public.strip(), json.dumps(known).encode(), known["x"].encode()):
            shared = keys.Shared(secret)
            assert (
                reason(signed(opened(head) | {"alg": "HS256"}, claims, shared)) == "bad_signature"
            )
            assert reason(signed(opened(head), claims, shared)) == "bad_signature"


def test_a_key_id_of_the_other_ring_opens_nothing(settings):
    secret = "a secret of the ring, long enough for anyone to be content"
    settings.DJANGO_VERIFY = {"KEYS": {"k1": secret}}
    shared = issue()
    head, claims, _ = shared.split(".")
    settings.DJANGO_VERIFY = {"KEYS": {"k1": secret}, "PROOF_KEYS": {"k1": P256, "k2": ED25519}}
    assert reason(shared) == "bad_signature"
    # Nor does one key pair's signature under another one's id or algorithm.
    ring = keys.ring()
    for kid, alg, key in (
        ("k1", "ES256", ring["k2"]),
        ("k2", "EdDSA", ring["k1"]),
        ("k1", "EdDSA", ring["k2"]),
        ("k2", "ES256", ring["k1"]),
        ("k1", "HS256", keys.Shared(codes.proof_key("k1"))),
    ):
        header = opened(head) | {"kid": kid, "alg": alg}
        assert reason(signed(header, claims, key)) == "bad_signature", (kid, alg)
    settings.DJANGO_VERIFY = {"KEYS": {"k1": secret}}
    assert redeem(shared).subject == PHONE


def test_no_key_of_the_ring_with_another_use_signs_proofs():
    head, claims, _ = issue().split(".")
    (key_id,) = conf.key_ring()
    for key in (codes.token_key(key_id), conf.key_ring()[key_id], b""):
        assert reason(signed(opened(head), claims, keys.Shared(key))) == "bad_signature"


@pytest.mark.parametrize(
    "claims",
    [
        lambda claims: {**claims, "exp": str(claims["exp"])},
        lambda claims: {**claims, "exp": float(claims["exp"])},
        lambda claims: {**claims, "exp": 10**30},
        lambda claims: {**claims, "exp": True},
        lambda claims: {**claims, "nbf": -1},
        lambda claims: {**claims, "nbf": claims["exp"] + 1},
        lambda claims: {**claims, "aud": [claims["aud"]]},
        lambda claims: {**claims, "test": 0},
        lambda claims: {**claims, "test": None},
        lambda claims: {**claims, "nonce": None},
        lambda claims: {**claims, "sub": {}},
        lambda claims: {name: claims[name] for name in claims if name != "exp"},
        lambda claims: {name: claims[name] for name in claims if name != "jti"},
        lambda claims: {name: claims[name] for name in claims if name != "purpose"},
        lambda claims: {},
    ],
)
def test_other_tokens_of_the_sites_own_key_are_no_proofs(algorithm, claims):
    head, body, _ = issue().split(".")
    assert reason(signed(opened(head), claims(opened(body)))) == "malformed"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"exp":NaN}',
        b'{"exp":1e999}',
        b'{"exp":' + b"9" * 5000 + b"}",
        b'{"a":' * 800,
        b"[]",
        b'"x"',
        b"null",
        b"",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"{} {}",
    ],
    ids=lambda body: ascii(body[:16]),
)
def test_a_signed_body_that_is_no_object_of_json(algorithm, body):
    head, claims, _ = issue().split(".")
    assert reason(signed(opened(head), body)) == "malformed"
    doubled = segment(json.dumps(opened(head))[:-1].encode() + b',"alg":"HS256"}')
    key = next(iter(keys.ring().values()))
    assert reason(signed(doubled, claims, key)) == "malformed"


def test_a_long_token_is_not_read(algorithm):
    head, claims, _ = issue().split(".")
    long = {**opened(claims), "x": "x" * 8192}
    assert reason(signed(opened(head), long)) == "malformed"
    # The longest that the service itself can issue fits.
    utmost = issue(subject="ñ" * 254, nonce="\U0001f600" * 128, purpose="p" * 32)
    assert proofs.read(utmost, purpose="p" * 32).nonce == "\U0001f600" * 128


@tuned(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.integers(),
        st.lists(st.text()),
        st.dictionaries(st.text(), st.integers()),
        st.lists(st.one_of(st.text(), st.binary().map(segment)), max_size=5).map(".".join),
        st.dictionaries(
            st.sampled_from(["typ", "alg", "kid", "crit"]),
            st.one_of(st.none(), st.text(), st.integers(), st.just(tokens.TYPE)),
        ).map(lambda header: f"{segment(header)}.e30.AA"),
    )
)
@example(None)
@example("")
@example("..")
@example("\ud800.e30.AA")
@example("e30.e30.AA\n")
@example(b"e30.e30.AA")
@example("[" * 100_000)
@example(f"{segment(b'[' * 100_000)}.e30.AA")
@example(f"{segment(b'[' * 3000)}.e30.AA")
def test_garbage_is_refused(token):
    expected = {"missing"} if token in (None, "") else {"malformed", "bad_signature"}
    assert reason(token) in expected


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 72])
def test_a_signature_of_any_length_is_compared(algorithm, size):
    head, claims, _ = issue().split(".")
    for byte in (b"\0", b"\xff"):
        why = "bad_signature" if size else "malformed"
        assert reason(f"{head}.{claims}.{segment(byte * size)}") == why


def test_the_numbers_of_a_signature_have_their_full_length(settings):
    settings.DJANGO_VERIFY = {"PROOF_KEYS": {"a": P256}}
    message, _, last = issue().rpartition(".")
    raw = base64.urlsafe_b64decode(last + "==")
    # The same two numbers, of which the second begins with a zero too many.
    assert reason(f"{message}.{segment(raw[:32] + bytes(1) + raw[32:])}") == "bad_signature"
    redeem(f"{message}.{last}")
