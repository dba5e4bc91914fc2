"""The order of our pages in an admin site's index, and that it leaves other apps and sites alone."""

import re

import pytest
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

from django_verify.admin import menu, sentences
from django_verify.admin.ratelimits import RateLimitAdmin
from django_verify.models import RateLimit
from tests.conftest import make_account

pytestmark = [pytest.mark.django_db, pytest.mark.portable]

# Pages that say it in a way of their own.
ELSEWHERE = ("Dashboard", "SenderState")
GROUPS = [
    f"Verify: {name}" for name in ("Overview", "Set-up", "Protection", "People", "Developers")
]


@pytest.fixture
def request_of(rf, admin_user):
    def make(path="/admin/", user=admin_user):
        request = rf.get(path)
        request.user = user
        return request

    return make


def names(site, request, label=None):
    return [app["name"] for app in site.get_app_list(request, label)]


def test_the_index_is_grouped_by_task_and_other_apps_stay(request_of):
    assert names(admin.site, request_of()) == ["Authentication and Authorization", *GROUPS]
    groups = {app["name"]: app["models"] for app in admin.site.get_app_list(request_of())}
    found = {name: [model["name"] for model in models] for name, models in groups.items()}
    overview = ["Dashboard", "Verifications", "Messages", "Blocked starts"]
    assert found["Verify: Overview"] == overview
    assert found["Verify: People"][0] == "Verified numbers"
    assert found["Verify: Developers"][-1] == "Events"
    assert found["Authentication and Authorization"] == ["Groups", "Users"]


def test_every_model_of_ours_has_its_place(request_of):
    listed = {
        model["object_name"]
        for app in admin.site.get_app_list(request_of())
        if app["name"] in GROUPS
        for model in app["models"]
    }
    ours = {model.__name__ for model in admin.site._registry if model._meta.app_label in menu.APPS}
    assert listed == ours
    named = {entry for group in menu.GROUPS for entry in group.entries}
    assert ours <= named


def test_every_list_says_what_it_is_for_and_what_would_stand_there():
    for model, page in admin.site._registry.items():
        if model._meta.app_label in menu.APPS and model.__name__ not in ELSEWHERE:
            assert page.explanation, model
            assert page.empty, model
    for table in (sentences.EMPTY, sentences.EXPLANATIONS):
        assert set(table) <= {model.__name__ for model in admin.site._registry}


def test_an_empty_list_says_how_the_first_row_is_made(boss, clerk):
    page = boss.get("/admin/django_verify/ratelimit/").content.decode()
    assert "There is no limit." in page
    assert 'href="/admin/django_verify/ratelimit/add/">Add rate limit</a>' in page
    page = clerk("view_ratelimit").get("/admin/django_verify/ratelimit/").content.decode()
    assert "There is no limit." in page
    assert "ratelimit/add/" not in page


def test_a_search_that_finds_nothing_is_no_empty_table(boss):
    for query in ({"q": "none"}, {"status__exact": "disabled"}):
        page = boss.get("/admin/django_verify/webhook/", query).content.decode()
        assert "No row matches the search and the filters." in page
        assert "There is no webhook." not in page


def test_a_form_says_what_has_to_be_made_before(boss):
    add = "/admin/django_verify/template/add/"
    assert "There is no account. Add one" in boss.get(add).content.decode()
    make_account("Shop")
    assert "There is no account." not in boss.get(add).content.decode()


def test_a_viewer_has_the_groups_of_their_pages_alone(clerk):
    page = clerk("view_verification", "view_factor").get("/admin/").content.decode()
    assert re.findall(r"Verify: ([\w-]+)<", page) == ["Overview", "People"]


def test_the_heading_of_the_page_at_hand_is_marked(boss):
    page = boss.get("/admin/django_verify/verification/").content.decode()
    marked = re.findall(r"module current-app.*?>(Verify: [\w-]+)<", page, re.DOTALL)
    assert marked == ["Verify: Overview"]


def test_the_index_of_the_app_has_the_search_and_the_groups(boss, clerk):
    page = boss.get("/admin/django_verify/").content.decode()
    assert "<title>Verify | Django site admin</title>" in page
    assert "Find a person" in page
    assert 'action="/admin/django_verify/verification/"' in page
    for group in GROUPS:
        assert group in page
    anchors = re.findall(r'href="/admin/django_verify/#([\w-]+)"', page)
    assert len(anchors) == len(GROUPS)
    for anchor in anchors:
        assert f'id="{anchor}"' in page
    assert (
        "Find a person" not in clerk("view_ratelimit").get("/admin/django_verify/").content.decode()
    )


def test_the_other_app_of_ours_keeps_an_index_of_its_own(request_of, boss):
    assert names(admin.site, request_of(), "django_verify_users") == ["Verified numbers"]
    assert boss.get("/admin/django_verify_users/").status_code == 200


class OrderedSite(AdminSite):
    def get_app_list(self, request, app_label=None):
        return super().get_app_list(request, app_label)[::-1]


def site_with(kind):
    site = kind("other")
    site.register(User, UserAdmin)
    site.register(RateLimit, RateLimitAdmin)
    return site


@pytest.fixture
def own_urls(monkeypatch):
    """The other site has no URLs here; its entries have those of the first."""
    monkeypatch.setattr(AdminSite, "_build_app_dict", _apps)


def _apps(self, request, label=None):
    apps = {}
    for model in self._registry:
        of = apps.setdefault(
            model._meta.app_label,
            {
                "name": model._meta.app_config.verbose_name,
                "app_label": model._meta.app_label,
                "app_url": "/",
                "models": [],
            },
        )
        of["models"].append(
            {
                "object_name": model.__name__,
                "name": model.__name__,
                "admin_url": None,
            }
        )
    return apps


def test_another_site_is_grouped_as_well(request_of, own_urls):
    assert names(site_with(AdminSite), request_of())[1:] == ["Verify: Protection"]


def test_a_site_that_orders_its_pages_itself_is_left_alone(request_of, own_urls):
    site = site_with(OrderedSite)
    assert names(site, request_of()) == ["Verify", "Authentication and Authorization"]
    found = menu.grouped(request_of(), site.get_app_list(request_of()))
    assert found[0]["name"] == "Verify: Protection"


def test_a_model_that_no_group_names_comes_last(request_of):
    app = {"app_label": "django_verify", "name": "Verify", "app_url": "/"}
    app["models"] = [{"object_name": "New", "name": "New", "admin_url": None}]
    (found,) = menu.grouped(request_of(), [app])
    assert found["name"] == "Verify: Developers"


def test_a_list_without_ours_is_returned_as_it_is(request_of):
    listed = [{"app_label": "auth"}]
    assert menu.grouped(request_of(), listed) is listed
