"""Ten questions of an operator, each answered in at most three clicks from the dashboard.

The walks are the table of `docs/console.md`.
"""

import html
import re

import pytest

from django_verify import verifications
from tests.admin.busy_site import LOCKED, build
from tests.admin.conftest import received
from tests.admin.test_dashboard import numbers, read_csv, table
from tests.conftest import PHONE, make_service
from tests.scripted import configured

pytestmark = [pytest.mark.django_db, pytest.mark.portable]

DASHBOARD = "/admin/django_verify/dashboard/"
LINK = re.compile(r'<a [^>]*?href="([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)
FORM = re.compile(r"<form [^>]*>.*?</form>", re.DOTALL)
INPUT = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')


class Operator:
    """Walks over pages by what stands on them, and counts the clicks."""

    def __init__(self, client):
        self.client, self.clicks = client, 0
        self.go(DASHBOARD)

    def go(self, url, data=None):
        get = self.client.get if data is None else self.client.post
        self.page = get(html.unescape(url), data or {}, follow=True)
        assert self.page.status_code == 200
        self.path = self.page.request["PATH_INFO"]
        return self

    @property
    def text(self):
        body = self.page.content.decode()
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).replace("\xa0", " ").split())

    def click(self, label, after=""):
        """Follow the first link with this label behind a text."""
        body = self.page.content.decode()
        body = body[body.index(after) :]
        (url, *_) = [
            url for url, inner in LINK.findall(body) if " ".join(inner.split()).startswith(label)
        ]
        self.clicks += 1
        where = self.path if url.startswith("?") else ""
        return self.go(where + url)

    def form(self, sign):
        (found, *_) = [form for form in FORM.findall(self.page.content.decode()) if sign in form]
        return found

    def choose(self, **typed):
        """Choose a filter of the dashboard, and show it."""
        self.clicks += 1
        return self.submit("dv-filters", **typed)

    def submit(self, sign, **typed):
        """Send the form that has this sign in it, with what is typed."""
        form = self.form(sign)
        action = re.search(r'^<form [^>]*action="([^"]*)"', form)
        where = html.unescape(action[1]) if action else self.page.request["PATH_INFO"]
        data = {**dict(INPUT.findall(form)), **typed}
        self.clicks += 1
        if 'method="post"' in form:
            return self.go(where, data)
        self.page = self.client.get(where, data, follow=True)
        self.path = self.page.request["PATH_INFO"]
        return self


@pytest.fixture
def site(settings, clock):
    settings.DJANGO_VERIFY = configured(aliases=("telco", "backup"))
    return build()


def test_ten_questions_take_three_clicks_at_most(site, boss):
    for question in QUESTIONS:
        operator = Operator(boss)
        question(operator, site)
        assert operator.clicks <= 3, question.__name__


def which_country_s_conversion_fell(operator, site):
    assert "Conversion in Indonesia fell from" in operator.text
    operator.click("Show", after="Conversion in Indonesia")
    assert list(table(operator.page, "country")) == ["Indonesia"]


def what_last_week_cost_and_each_approval(operator, site):
    operator.choose(period="7d")
    found = numbers(operator.page)
    assert float(found["Spend"]) > 10
    assert float(found["Per approval"]) > 0.05


def why_this_customer_got_no_code(operator, site):
    operator.submit("Find a person", q="(415) 555-7777")
    assert operator.path.endswith(f"/verification/{site.customer.pk}/change/")
    assert "It was not sent. telco refuses our credentials." in operator.text
    assert "Compare the key and the secret" in operator.text


def which_provider_is_failing_and_since_when(operator, site):
    assert "telco refuses our credentials. Since 10 a.m." in operator.text
    operator.click("Show", after="telco refuses")
    assert "Wrong credentials 401" in operator.text


def whether_the_worker_is_running(operator, site):
    waits = "1 message waits, and no worker has run for 9 minutes: run deliverattempts."
    assert waits in operator.text
    assert "Run “manage.py deliverattempts --loop”" in operator.text


def who_was_blocked_today_and_why(operator, site):
    operator.click("3", after="a closed range")
    assert operator.page.context["cl"].result_count == 3
    assert "numbers new, none confirmed" in operator.text


def which_template_converts_better(operator, site):
    found = table(operator.page, "template")
    short, polite = (float(found[name][2].split()[0]) for name in ("Short", "Polite"))
    assert short != polite


def how_long_people_wait_in_brazil(operator, site):
    assert table(operator.page, "country")["Brazil"][6].endswith("s")
    operator.click("Brazil")
    assert 35 <= int(numbers(operator.page)["Median time"].split()[0]) <= 60


def yesterday_s_failures_as_a_file(operator, site):
    operator.choose(period="yesterday")
    failed = int(numbers(operator.page)["Not delivered"])
    links = LINK.findall(operator.page.content.decode())
    (url,) = {url for url, label in links if "not delivered" in label}
    operator.clicks += 1
    lines = read_csv(operator.client.get(html.unescape(url)))
    assert len(lines) == failed > 0
    assert {line["message status"] for line in lines} == {"undelivered"}


def unlock_this_customer(operator, site):
    operator.submit("Find a person", q=LOCKED)
    assert "too many wrong codes" in operator.text
    operator.submit("release_selected")
    assert "Unlock these recipients?" in operator.text
    operator.submit("confirmed", confirmed="yes")
    assert received(operator.page) == ["1 recipient was unlocked."]
    site.locked.refresh_from_db()
    assert site.locked.status == "canceled"


QUESTIONS = (
    which_country_s_conversion_fell,
    what_last_week_cost_and_each_approval,
    why_this_customer_got_no_code,
    which_provider_is_failing_and_since_when,
    whether_the_worker_is_running,
    who_was_blocked_today_and_why,
    which_template_converts_better,
    how_long_people_wait_in_brazil,
    yesterday_s_failures_as_a_file,
    unlock_this_customer,
)


def opened(client, term):
    answer = client.get("/admin/django_verify/verification/", {"open": "1", "q": term})
    assert answer.status_code == 302
    return answer["Location"]


def test_a_whole_number_of_one_person_leads_to_the_story(boss, clerk, account):
    one, two = make_service(account), make_service(account)
    earlier, row = (verifications.start(each, PHONE) for each in (one, two))
    story = f"/admin/django_verify/verification/{row.pk}/change/"
    assert opened(boss, PHONE) == opened(boss, "(415) 555-2671") == story
    assert opened(clerk("view_verification"), PHONE) == story
    assert opened(boss, earlier.pk) == story.replace(row.pk, earlier.pk)
    # A part of a number, a service, nobody, nothing: the list.
    for term in (PHONE[-4:], two.pk, "+14155550000", "", "\0"):
        assert opened(boss, term).startswith("/admin/django_verify/verification/?q="), term
    # Who may not see verifications learns nothing of whose number it is.
    viewer = clerk("view_dashboard")
    assert opened(viewer, PHONE) == f"/admin/django_verify/verification/?q=%2B{PHONE[1:]}"
    assert viewer.get(opened(viewer, PHONE)).status_code == 403
    assert "Find a person" not in viewer.get(DASHBOARD).content.decode()
