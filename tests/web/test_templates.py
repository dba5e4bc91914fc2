"""The templates: sound HTML, for screen readers too, and nothing that a strict CSP would stop."""

import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.template import Engine
from django.template.loader import render_to_string
from django.utils import translation

import django_verify
from django_verify.gates.memory import asked
from django_verify.users import verified_phones
from django_verify.web import captchas, views
from tests import attributes
from tests.conftest import OTHER_PHONE, PHONE, code_in, wrong
from tests.web.conftest import Visitor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.portable]

FOLDER = Path(django_verify.__file__).parent / "templates/django_verify/web"


@pytest.fixture(params=["plain", "example"])
def frame(request, settings):
    """The pages in their own frame, and in that of a site."""
    if request.param == "plain":
        # Without its app's folder in front, the example site overrides no template.
        apps = [app for app in settings.INSTALLED_APPS if app != "example_project"]
        settings.INSTALLED_APPS = [*apps, "example_project"]
    return request.param


def pages(service, outbox, clock):
    """Every page that a visitor may see."""
    user = get_user_model().objects.create_user("ann")
    verified_phones.confirm(get_user_model().objects.create_user("bob"), OTHER_PHONE)
    visitor = Visitor()
    visitor.client.force_login(user)
    yield visitor.get(next="/admin/")
    yield visitor.start("12", country="US")
    yield visitor.post("", channel="email", email="nonsense")
    yield visitor.post("")
    yield visitor.start()
    yield visitor.resend()
    yield visitor.check("1")
    yield visitor.check(wrong(code_in(outbox[0])))
    clock.shift(31)
    yield visitor.resend("call")
    yield visitor.get()
    yield visitor.get("code/")
    yield visitor.check(code_in(outbox[0]))
    visitor.start(OTHER_PHONE)
    yield visitor.check(code_in(outbox[-1]))
    visitor.start()
    clock.shift(601)
    yield visitor.get("code/")
    service.client_channels = ["email"]
    service.save()
    yield visitor.get()
    service.client_enabled = False
    service.save()
    yield visitor.get()


def test_every_page(frame, service, outbox, clock):
    seen = list(pages(service, outbox, clock))
    assert len({page.heading for page in seen}) == 7
    for page in seen:
        look_at(page)
        assert ("<nav" in page.html) == (frame == "example")


HOST = "<!doctype html><html lang='en'><title>{% block title %}{% endblock %}</title><body>%s</body></html>"
OF_PAGES = (
    '{% extends "django_verify/web/base.html" %}'
    '{% block BLOCK %}<section class="container"><div class="row {% block verify_class %}{% endblock %}">'
    "{% block verify %}{% endblock %}</div></section>{% endblock %}"
)
#: The block that a host's base has for its pages, and what the host puts around each of ours.
FRAMES = {
    "nothing but an extends": ("content", None, "div.verify"),
    "a base that leaves the container to its pages": ("content", OF_PAGES, "section.container"),
    "a base with another block": ("main", OF_PAGES, "section.container"),
}


@pytest.mark.parametrize(("block", "around", "wrapper"), FRAMES.values(), ids=FRAMES)
def test_the_frames_of_hosts(block, around, wrapper, settings, tmp_path, service, outbox, clock):
    folder = tmp_path / "django_verify/web"
    folder.mkdir(parents=True)
    base = HOST.replace("%s", "{% block NAME %}{% endblock %}").replace("NAME", block)
    (tmp_path / "host.html").write_text(base)
    (folder / "base.html").write_text('{% extends "host.html" %}')
    if around:
        (folder / "page.html").write_text(around.replace("BLOCK", block))
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "example_project"]
    tag, _, name = wrapper.partition(".")
    for page in pages(service, outbox, clock):
        found = [one for one in page.all(tag) if name in one.get("class", "").split()]
        assert len(found) == 1, page.url
        assert page.heading in found[0]["text"]
        assert found[0]["text"].strip() == page.one("body")["text"].strip()
        classes = " ".join(one.get("class", "") for one in page.all("div"))
        assert len(re.findall(r"\bverify-(?:start|check|done|closed)\b", classes)) == 1


def with_templates(settings, folder, **files):
    (folder / "django_verify/web").mkdir(parents=True)
    for name, text in files.items():
        (folder / f"django_verify/web/{name}.html").write_text(text)
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(folder)]}]
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "example_project"]


def test_a_site_puts_its_own_style_in_the_place_of_ours(service, settings, tmp_path):
    def sheets():
        return [tag["href"] for tag in Visitor().get().all("link", rel="stylesheet")]

    with_templates(settings, tmp_path / "ours")
    assert sheets() == ["/static/django_verify/verify.css"]
    own = '{% extends "django_verify/web/page.html" %}{% block verify_style %}{% endblock %}'
    with_templates(settings, tmp_path / "theirs", page=own)
    assert sheets() == []


@pytest.mark.parametrize(("language", "direction"), [("ar", "rtl"), ("he", "rtl"), ("th", "ltr")])
def test_the_pages_say_their_language(frame, service, settings, language, direction):
    settings.LANGUAGE_CODE = language
    page = Visitor().get()
    for tag in (
        page.one("html"),
        *(tag for tag in page.all("div") if "verify-start" in tag["class"]),
    ):
        assert (tag["lang"], tag["dir"]) == (language, direction)
    for name in ("number", "email"):
        assert page.one("input", name=name)["dir"] == "ltr"


def test_in_a_frame_of_another_language_they_say_theirs(service, settings, tmp_path):
    base = "<html lang='en'><title>{% block title %}{% endblock %}</title>{% block content %}{% endblock %}"
    with_templates(settings, tmp_path, base=base + "</html>")
    settings.LANGUAGE_CODE = "ar"
    page = Visitor().get()
    (wrapper,) = [tag for tag in page.all("div") if "verify-start" in tag.get("class", "")]
    assert (page.one("html")["lang"], wrapper["lang"], wrapper["dir"]) == ("en", "ar", "rtl")


PHYSICAL = (
    r"(?:margin|padding|border)-(?:left|right)|(?<!-)\b(?:left|right)\s*:|: ?(?:left|right)\b"
)


def test_the_style_has_no_left_and_no_right():
    text = (FOLDER.parents[2] / "static/django_verify/verify.css").read_text(encoding="utf-8")
    rules = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert not re.search(PHYSICAL, rules)
    assert not re.search(r"url\(|@import|!important", rules)
    # Each colour that is used is one that a site may choose.
    used, chosen = (
        set(re.findall(r"var\((--_[\w-]+)\)", rules)),
        set(re.findall(r"(--_[\w-]+):", rules)),
    )
    assert used == chosen
    for name in chosen:
        assert f"{name}: var(--verify-{name[3:]}, " in rules


def test_every_page_stands_in_the_wrapper():
    for path in FOLDER.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        if "<h1" in text and "<html" not in text:
            assert '{% extends "django_verify/web/page.html" %}' in text, path
            assert f"{{% block verify_class %}}verify-{path.stem}{{% endblock %}}" in text


def look_at(page):
    ids = [tag["id"] for tag in page.tags if "id" in tag]
    assert len(ids) == len(set(ids)), ids
    labelled = {tag.get("for") for tag in page.all("label")}
    for field in page.all("input") + page.all("select"):
        if field.get("type") != "hidden":
            assert field["id"] in labelled, field
            assert field.get("autocomplete") or field["type"] == "radio"
    assert labelled <= set(ids)
    for tag in page.tags:
        assert set(tag.get("aria-describedby", "").split()) <= set(ids), tag
        assert not [name for name in tag if name.startswith("on") or name == "style"], tag
        assert tag["tag"] != "style"
        if tag["tag"] == "script":
            assert tag["src"].startswith("/static/")
            assert not tag["text"].strip()
        if tag["tag"] in {"link", "script", "img"}:
            assert tag.get("href", tag.get("src")).startswith("/static/")
    for field in page.all(aria_invalid="true"):
        if field.get("type") != "radio":
            assert f"{field['id']}_error" in field["aria-describedby"].split()
    assert page.one("html")["lang"] == "en"
    assert page.texts("title")[0]
    assert len([tag for tag in page.tags if "autofocus" in tag]) <= 1
    for form in page.all("form"):
        assert form["method"] == "post"
    assert len(page.all("input", name="csrfmiddlewaretoken")) == len(page.all("form"))
    assert "{{" not in page.html
    assert "{%" not in page.html


HOSTILE = ("de", "fr", "hi", "ar", "de-ch")


@pytest.mark.parametrize("language", HOSTILE)
def test_programs_read_numbers_under_any_format(language, service, settings):
    """The wait before the sixth message is 1,800 seconds to a person and 1800 to the script."""
    settings.USE_THOUSAND_SEPARATOR = True
    settings.LANGUAGE_CODE = language
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "RESEND_COOLDOWNS": [1800]}
    visitor = Visitor()
    visitor.start()
    page = visitor.get("code/")
    form = next(tag for tag in page.all("form") if "data-verify-resend" in tag)
    assert 1790 <= int(form["data-verify-resend"]) <= 1800


def test_the_rule_for_attributes_finds_what_breaks_it(settings, tmp_path, monkeypatch):
    wrong_, right = tmp_path / "wrong.html", tmp_path / "right.html"
    wrong_.write_text('<p data-wait="{% if n %}{{ n }}{% endif %}">{{ n }}</p>')
    right.write_text('<p data-wait="{{ name }}">{{ n }}</p><i data-n="{{ n|stringformat:"d" }}">')
    monkeypatch.setattr(attributes, "ROOTS", [str(tmp_path)])
    engine = Engine(dirs=[str(tmp_path)], debug=True)
    context = {"n": 1800, "name": "x"}
    assert "1800" in engine.render_to_string("right.html", context)
    with pytest.raises(AssertionError, match=r"wrong\.html"):
        engine.render_to_string("wrong.html", context)


def test_the_recipient_is_escaped():
    shown = views.shown("<b>@example.com")
    assert shown == '<bdi class="number" dir="ltr">&lt;b&gt;@example.com</bdi>'


GATES = "django_verify.gates."
HCAPTCHA = {
    "BACKEND": GATES + "hcaptcha.HCaptchaGate",
    "OPTIONS": {"secret": "s", "sitekey": 'key"<'},
}
TURNSTILE = {
    "BACKEND": GATES + "turnstile.TurnstileGate",
    "OPTIONS": {"secret": "s", "sitekey": "k"},
}
RECAPTCHA = {
    "BACKEND": GATES + "recaptcha.RecaptchaGate",
    "OPTIONS": {"secret": "s", "sitekey": "k", "minimum_score": None},
}
MEMORY = {"BACKEND": GATES + "memory.MemoryGate"}
SEVERAL = {"BACKEND": GATES + "choice.ChoiceGate", "OPTIONS": {"gates": {"ios": MEMORY}}}


def with_gate(settings, gate):
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "BOT_PROTECTION": gate}


@pytest.mark.parametrize("gate", [HCAPTCHA, TURNSTILE, RECAPTCHA, MEMORY, SEVERAL])
def test_the_captcha_stands_in_the_form(gate, service, settings):
    with_gate(settings, gate)
    html = Visitor().get().html
    captcha = captchas.configured()
    widget = render_to_string(captcha.template, {"gate": captcha})
    assert widget.strip()
    assert widget in html.partition("<form")[2].partition("</form>")[0]
    assert 'key"' not in html
    assert ('data-action="start"' in html) == (gate is TURNSTILE)


def test_a_gate_without_a_widget_has_none(settings):
    v3 = {**RECAPTCHA, "OPTIONS": {"secret": "s", "sitekey": "k"}}
    for gate in (None, v3, {**TURNSTILE, "OPTIONS": {"secret": "s"}}):
        with_gate(settings, gate)
        assert captchas.configured() is None


@pytest.mark.parametrize("gate", [MEMORY, SEVERAL])
def test_only_who_passes_the_gate_is_sent_a_code(gate, service, settings, outbox):
    with_gate(settings, gate)
    visitor = Visitor()
    for field in ({}, {"gate_token": "shut"}):
        assert visitor.start(**field).alerts == [
            "Please confirm that you are human, then try again."
        ]
    assert visitor.start(gate_token="down").alerts == [
        "We cannot send codes at the moment. Please try again later."
    ]
    assert not outbox
    page = visitor.start(gate_token="open-1")
    assert page.heading == "Enter the code"
    assert asked[-1] == {"remote_ip": "127.0.0.1", "action": "start", "subject": PHONE}
    again = Visitor().start(OTHER_PHONE, gate_token="open-1")
    assert again.alerts == ["Please confirm that you are human, then try again."]
    assert len(outbox) == 1


def test_no_template_has_a_script_or_style_of_its_own():
    templates = list(FOLDER.rglob("*.html"))
    assert len(templates) >= 10
    for path in templates:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<style|style=|\son\w+=|javascript:|<script(?![^>]* src=)", text), (
            path
        )
        assert "|safe" not in text


def test_the_page_without_a_database_looks_like_the_others():
    with translation.override("ar"):
        html = render_to_string("django_verify/web/unavailable.html")
    assert '<html lang="ar" dir="rtl">' in html
    assert 'href="/static/django_verify/verify.css"' in html
    assert '<div class="verify verify-closed">' in html
