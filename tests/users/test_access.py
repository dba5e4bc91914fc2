"""Who is let in: the decorator, the mixin, REST framework's permission, the admin."""

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Permission
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.views import View
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from django_verify.users import verified_phones
from django_verify.users.access import VerifiedPhoneRequiredMixin, verified_phone_required
from django_verify.users.admin import VerifiedPhoneInline
from django_verify.users.models import VerifiedPhone
from django_verify.users.permissions import HasVerifiedPhone
from tests.conftest import PHONE

pytestmark = pytest.mark.django_db(transaction=True)


@verified_phone_required
def plain(request):
    return HttpResponse("in")


class ClassBased(VerifiedPhoneRequiredMixin, View):
    def get(self, request):
        return HttpResponse("in")


@pytest.fixture
def user():
    return get_user_model().objects.create_user("ann")


@pytest.fixture(params=[plain, ClassBased.as_view()], ids=["decorator", "mixin"])
def visit(request):
    def visit(user):
        asked = RequestFactory().get("/orders/?page=2")
        asked.user = user
        return request.param(asked)

    return visit


def test_a_user_with_a_number_comes_in(visit, user):
    verified_phones.confirm(user, PHONE)
    assert visit(user).content == b"in"


def test_a_user_without_one_is_sent_to_verify(visit, user, settings):
    with pytest.raises(PermissionDenied):
        visit(user)
    verified_phones.claim(user, PHONE)
    settings.DJANGO_VERIFY = {**settings.DJANGO_VERIFY, "USERS_VERIFY_URL": "/phone/"}
    assert visit(user)["Location"] == "/phone/?next=/orders/%3Fpage%3D2"


def test_a_visitor_is_sent_to_log_in(visit):
    assert visit(AnonymousUser())["Location"] == "/accounts/login/?next=/orders/%3Fpage%3D2"


def test_the_mixin_is_set_like_djangos_own():
    asked = RequestFactory().get("/orders/")
    asked.user = AnonymousUser()
    elsewhere = ClassBased.as_view(login_url="/enter/", redirect_field_name="back")(asked)
    assert elsewhere["Location"] == "/enter/?back=/orders/"
    with pytest.raises(PermissionDenied):
        ClassBased.as_view(raise_exception=True)(asked)


def test_rest_frameworks_permission(user):
    class Orders(APIView):
        permission_classes = (HasVerifiedPhone,)
        authentication_classes = ()

        def get(self, request):
            return HttpResponse("in")

    def visit():
        asked = APIRequestFactory().get("/")
        force_authenticate(asked, user)
        return Orders.as_view()(asked)

    answer = visit()
    assert (answer.status_code, answer.data["detail"].code) == (403, "verified_phone_required")
    verified_phones.confirm(user, PHONE)
    assert visit().content == b"in"


def staff(*permissions):
    who = get_user_model().objects.create_user("staff", password="x", is_staff=True)
    who.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(who)
    return client


LIST = "/admin/django_verify_users/verifiedphone/"


def test_the_admin_masks_numbers(user):
    row = verified_phones.confirm(user, PHONE)
    client = staff("view_verifiedphone")
    for page in (LIST, f"{LIST}{row.pk}/change/"):
        content = client.get(page).content.decode()
        assert PHONE not in content
        assert "+141*" in content
    assert PHONE in _seen_by(staff_with_leave(), LIST)


def staff_with_leave():
    get_user_model().objects.filter(username="staff").delete()
    return staff("view_verifiedphone", "see_full_recipients")


def _seen_by(client, page):
    return client.get(page).content.decode()


def test_releasing_has_its_own_permission(user):
    row = verified_phones.confirm(user, PHONE)
    form = {"action": "release_selected", "_selected_action": [row.pk]}
    assert staff("view_verifiedphone").post(LIST, form).status_code == 403
    assert VerifiedPhone.objects.exists()
    get_user_model().objects.filter(username="staff").delete()
    client = staff("view_verifiedphone", "release_verifiedphone")
    assert client.post(LIST, form).status_code == 302
    assert not VerifiedPhone.objects.exists()
    assert client.post(f"{LIST}{row.pk}/delete/").status_code == 403


def test_the_inline_masks_numbers_too(user):
    verified_phones.confirm(user, PHONE)
    inline = VerifiedPhoneInline(get_user_model(), admin.site)
    asked = RequestFactory().get("/")
    asked.user = user
    assert inline.get_fields(asked)[0] == "masked_number"
    assert not inline.has_add_permission(asked)
