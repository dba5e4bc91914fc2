"""Whose network a request comes from: forged headers, odd spellings, and the networks they share."""

import ipaddress

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_verify.net import client_ip

PROXY, CALLER, FORGED = "10.0.0.1", "203.0.113.7", "198.51.100.66"
relaxed = examples(deadline=None, database=None, max_examples=300)
addresses = st.ip_addresses()


@pytest.fixture(autouse=True)
def trusting(request, settings):
    """How many proxies the site trusts: the parameter `proxies`, or none."""
    callspec = getattr(request.node, "callspec", None)
    settings.DJANGO_VERIFY = {
        "TRUSTED_PROXIES": callspec.params.get("proxies", 0) if callspec else 0
    }


@pytest.mark.parametrize(
    ("proxies", "header", "found"),
    [
        (0, "", PROXY),
        (0, FORGED, PROXY),
        (0, f"{FORGED}, {CALLER}", PROXY),
        (1, CALLER, CALLER),
        (1, f"{FORGED}, {CALLER}", CALLER),
        (1, f"{FORGED},{CALLER}", CALLER),
        (1, f"{FORGED} ,\t{CALLER} ", CALLER),
        (1, f"{FORGED}, {FORGED}, {CALLER}", CALLER),
        (1, f"unknown, {CALLER}", CALLER),
        (1, f",,,{CALLER}", CALLER),
        (1, f"{CALLER},", PROXY),
        (1, f"{CALLER}, unknown", PROXY),
        (1, f"{CALLER}, _hidden", PROXY),
        (1, f"{CALLER}; {FORGED}", PROXY),
        (1, f"for={CALLER}", PROXY),
        (1, f'"{CALLER}"', PROXY),
        (1, "", PROXY),
        (1, "x" * 100_000, PROXY),
        (1, f"{'9,' * 50_000}{CALLER}", CALLER),
        (1, "203.0.113.07", PROXY),
        (1, "203.0.113", PROXY),
        (1, "3405803783", PROXY),
        (1, "0xcb007107", PROXY),
        (1, "２０３.0.113.7", PROXY),
        (1, "203.0.113.7\0", PROXY),
        (1, "203.0.113.7\n", PROXY),
        (1, "\ud800", PROXY),
        (2, f"{CALLER}, 10.0.0.2", CALLER),
        (2, f"{FORGED}, {CALLER}, 10.0.0.2", CALLER),
        (2, f"{FORGED}, {CALLER}, unknown", CALLER),
        (2, CALLER, PROXY),
        (2, f"{FORGED}, unknown, 10.0.0.2", PROXY),
        (2, f"{CALLER},, 10.0.0.2", PROXY),
        (3, f"{CALLER}, 10.0.0.2", PROXY),
        (9, f"{FORGED}, {CALLER}", PROXY),
    ],
    ids=lambda value: ascii(value)[:48],
)
def test_the_header_chooses_nothing_that_a_proxy_did_not_see(proxies, header, found):
    assert client_ip.read(PROXY, header) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4:555", "1.2.3.4"),
        ("[1.2.3.4]:555", "1.2.3.4"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("[::1]:80", "::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::FFFF:102:304", "1.2.3.4"),
        ("[::ffff:1.2.3.4]:80", "1.2.3.4"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:1.2.3.4%1", "1.2.3.4"),
        ("1.2.3.4:", ""),
        ("1.2.3.4:999999", ""),
        ("1.2.3.4:x", ""),
        ("[::1", ""),
        ("[::1]x", ""),
        ("[]", ""),
        ("[1.2.3.4.5]", ""),
        ("1.2.3.4/32", ""),
        ("unix:", ""),
        ("", ""),
        (" ", ""),
        ("%eth0", ""),
    ],
    ids=ascii,
)
def test_a_recipient_has_one_spelling(text, found):
    assert client_ip.read(text, "") == found
    network = {"1.2.3.4": "1.2.3.4/32", "fe80::1": "fe80::/64", "": "", "::1": "::/64"}
    assert client_ip.network_of(text) == network.get(found, "2001:db8::/64")


@pytest.mark.parametrize("proxies", [1])
def test_behind_a_socket_there_is_only_the_header(proxies):
    assert client_ip.read("", f"{FORGED}, {CALLER}") == CALLER
    assert client_ip.read("", "") == ""
    assert client_ip.read("", "garbage") == ""


@given(addresses, addresses, st.lists(st.text(max_size=12), max_size=4))
@relaxed
def test_with_one_proxy_what_came_before_it_changes_nothing(remote, caller, forged):
    header = ",".join([*forged, str(caller)])
    assert _trusting(1, str(remote), header) == _plain(caller)
    assert _trusting(0, str(remote), header) == _plain(remote)


@given(st.integers(0, 5), st.text(max_size=60), st.text(max_size=80))
@relaxed
def test_any_text_gives_a_recipient_or_nothing(proxies, remote, header):
    found = _trusting(proxies, remote, header)
    assert found == "" or str(ipaddress.ip_address(found)) == found
    assert bool(client_ip.network_of(found)) == bool(found)


@given(addresses)
@relaxed
def test_networks_agree_with_the_standard_library(address):
    plain = ipaddress.ip_address(_plain(address))
    length = 32 if plain.version == 4 else 64
    wanted = ipaddress.ip_network(f"{plain}/{length}", strict=False)
    found = client_ip.network_of(str(address))
    assert found == str(wanted)
    assert plain in ipaddress.ip_network(found)


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
@relaxed
def test_the_lower_half_of_an_ipv6_recipient_buys_nothing(address, lower):
    other = ipaddress.IPv6Address(int(address) >> 64 << 64 | lower)
    if not (address.ipv4_mapped or other.ipv4_mapped):
        assert client_ip.network_of(str(address)) == client_ip.network_of(str(other))


@given(addresses, st.integers(0, 65535))
@relaxed
def test_a_port_changes_nothing(address, port):
    spelled = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    assert _trusting(1, "10.0.0.1", spelled) == _plain(address)


def _trusting(proxies, remote, header):
    with override_settings(DJANGO_VERIFY={"TRUSTED_PROXIES": proxies}):
        return client_ip.read(remote, header)


def _plain(address):
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or ipaddress.ip_address(str(address).partition("%")[0]))
