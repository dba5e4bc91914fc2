"""The permissions that there are: each has a use in the admin, and none comes with a prefix."""

import pytest
from django.contrib.auth.models import Group, Permission

from django_verify.admin.closed import LookOnly
from django_verify.admin.recipients import sees_recipients

APPS = ("django_verify", "django_verify_users")
#: What operators may do with the records of a table, beyond looking.
KEPT = {
    "account apikey bucket currency eventsink geopermission messagingconfiguration messagingservice"
    " prefixrule price pushcredential ratelimit spendcap template templatetranslation testnumber verifyservice webhook": "add change delete view",
    "safelistnumber": "add delete view",
    "devicekey entity factor": "delete view",
    "challenge dashboard guarddecision guardtrip notification senderstate verification verificationattempt verifiedphone"
    " webhookdelivery": "view",
}
OWN = {
    "cancel_verification",
    "close_breaker",
    "lift_guardtrip",
    "pause_sender",
    "release_factor",
    "release_recipient",
    "release_verifiedphone",
    "replay_webhook",
    "requeue_attempt",
    "see_full_recipients",
    "test_sender",
}


@pytest.mark.django_db
def test_these_permissions_and_no_other():
    expected = {
        f"{verb}_{model}"
        for models, verbs in KEPT.items()
        for model in models.split()
        for verb in verbs.split()
    }
    assert len(expected) == 91
    ours = Permission.objects.filter(content_type__app_label__in=APPS)
    assert set(ours.values_list("codename", flat=True)) == expected | OWN


@pytest.mark.django_db
@pytest.mark.parametrize("verb", ["view_", "add_", "change_", "delete_"])
def test_no_group_made_by_a_prefix_sees_full_recipients(verb, django_user_model, rf):
    group = Group.objects.create(name="readers")
    group.permissions.set(Permission.objects.filter(codename__startswith=verb))
    user = django_user_model.objects.create_user("reader", is_staff=True)
    user.groups.add(group)
    request = rf.get("/")
    request.user = user
    assert not sees_recipients(request)
    assert not [name for name in OWN if name.startswith(verb)]


@pytest.mark.django_db
def test_the_admin_asks_for_no_permission_that_there_is_not(rf, admin_user):
    """A page that lets records be changed has the permission for it, and the other way round."""
    from django.contrib import admin

    request = rf.get("/")
    request.user = admin_user
    for model, page in admin.site._registry.items():
        if model._meta.app_label not in APPS:
            continue
        given = set(model._meta.default_permissions)
        able = {
            verb
            for verb in ("add", "change", "delete", "view")
            if getattr(page, f"has_{verb}_permission")(request)
        }
        assert able == given, model
        assert given == {"view"} or not isinstance(page, LookOnly) or "delete" in given
