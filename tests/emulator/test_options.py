"""The options of the emulator, and seed files: what is read, and what is refused in one sentence."""

import json
import re
from pathlib import Path

import pytest

from django_verify.__main__ import main
from django_verify.emulator import options

SEED = {
    "services": [{"sid": "VA" + 32 * "1", "friendly_name": "Default", "code": "4711"}],
    "accounts": [
        {
            "sid": "AC" + 32 * "2",
            "auth_token": "the token",
            "keys": [{"sid": "SK" + 32 * "3", "secret": "the secret"}],
            "services": [{"sid": "VA" + 32 * "4", "factors": [{"identity": "user-0001"}]}],
        }
    ],
}


@pytest.fixture
def read(monkeypatch):
    """What the emulator would be started with."""
    found = []
    monkeypatch.setattr(
        "django_verify.emulator.command.run", lambda chosen: found.append(chosen) or 0
    )

    def read(*arguments):
        assert main(["emulator", *arguments]) == 0
        return found[-1]

    return read


def test_the_defaults(read):
    found = read()
    assert (found.host, found.port, found.code) == ("127.0.0.1", 8088, "123456")
    assert found.auth_token == "twilio_test_auth_token"
    assert (found.closed, found.strict, found.limits, found.seed) == (False, False, False, {})
    assert "twilio_test" not in repr(found)


def test_codes(read):
    assert read("--code", "4711").code == "4711"
    assert read("--code-from-recipient").code == options.RECIPIENT
    assert read("--random-codes").code == options.RANDOM


def test_given_credentials_are_the_only_ones(read):
    assert read("--account-sid", "AC" + 32 * "A").account_sid == "AC" + 32 * "a"
    assert read("--auth-token", "mine").closed
    assert not read("--service", "VA" + 32 * "b").closed


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--code", "12"], "--code: 4–10 digits"),
        (["--account-sid", "AC1"], "--account-sid: AC and 32"),
        (["--service", "AC" + 32 * "0"], "--service: VA and 32"),
        (["--port", "70000"], "--port: 0–65535"),
        (["--certificate", "a.pem"], "--certificate and --key"),
        (["--seed", "/no/such.toml"], "--seed: /no/such.toml"),
    ],
)
def test_a_wrong_option_is_one_sentence(arguments, text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["emulator", *arguments])
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


def test_the_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip()


def test_a_seed_in_yaml_is_the_same(tmp_path, read):
    yaml = pytest.importorskip("yaml")
    path = tmp_path / "seed.yaml"
    path.write_text(yaml.safe_dump(SEED))
    found = read("--seed", str(path))
    assert found.seed == SEED
    assert found.closed
    path.write_text("")
    assert read("--seed", str(path)).seed == {}


def test_yaml_needs_its_library(tmp_path, monkeypatch):
    path = tmp_path / "seed.yml"
    path.write_text(json.dumps(SEED))
    monkeypatch.setattr(options, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="emulator"):
        options.load(path)


def without(name, *path):
    """The seed with one key less."""
    seed = json.loads(json.dumps(SEED))
    place = seed
    for step in path:
        place = place[step]
    del place[name]
    return seed


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("seed.toml", "[[services]", "seed.toml"),
        ("seed.yaml", "a: [", "seed.yaml"),
        ("seed.yaml", "[1, 2]", "no tables"),
        ("seed.yaml", json.dumps({"users": []}), "the file has no 'users'"),
        ("seed.yaml", json.dumps({"services": {}}), "a list of tables"),
        ("seed.yaml", json.dumps({"services": [{"sid": "VA1"}]}), "sid must be VA"),
        ("seed.yaml", json.dumps(without("sid", "accounts", 0)), "sid must be AC"),
        ("seed.yaml", json.dumps(without("auth_token", "accounts", 0)), "auth_token is missing"),
        ("seed.yaml", json.dumps(without("secret", "accounts", 0, "keys", 0)), "secret is missing"),
        (
            "seed.yaml",
            json.dumps({"services": [{"sid": "VA" + 32 * "1", "code": 12}]}),
            "code must be",
        ),
        ("seed.yaml", f"services:\n- sid: VA{32 * '1'}\n  code: 012345\n", "code must be"),
        ("seed.yaml", f"services:\n- sid: VA{32 * '1'}\n  1: x\n", "services has no 1"),
    ],
)
def test_a_faulty_seed_is_refused(name, text, reason, tmp_path):
    pytest.importorskip("yaml")
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=reason) as caught:
        options.load(path)
    assert "\n" not in str(caught.value)


def test_the_page_of_the_emulator_names_every_option(capsys):
    page = (Path(__file__).parents[2] / "docs/emulator.md").read_text()
    with pytest.raises(SystemExit):
        main(["emulator", "--help"])
    for option in set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}:
        assert f"`{option}" in page, option


def test_the_seed_of_the_page_is_one(tmp_path):
    page = (Path(__file__).parents[2] / "docs/emulator.md").read_text()
    (sample,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "seed.toml"
    path.write_text(sample)
    assert set(options.load(path)) == {"services", "accounts"}
