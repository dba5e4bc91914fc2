"""The safe list: single numbers of a file, for the API lists none."""

import pytest
from django.core.management.base import CommandError

from django_verify.models import SafeListNumber
from tests.conftest import PHONE, make_account
from tests.moving.vendor import service, sid

pytestmark = pytest.mark.django_db


def test_numbers_of_the_safe_list(vendor, run, tmp_path):
    vendor.add(service())
    numbers = tmp_path / "numbers"
    numbers.write_text(f"{PHONE}\n\n+15017122661\n")
    vendor.objects[f"SafeList/Numbers/{PHONE}"] = {"sid": sid("GN"), "phone_number": PHONE}
    printed = run("--safe-list", str(numbers))
    entry = SafeListNumber.objects.get()
    assert (entry.sid, entry.number) == (sid("GN"), PHONE)
    assert PHONE not in printed
    assert "The file has 2 numbers; on the safe list: 1" in printed
    assert "Safe list: nothing has changed" in run("--safe-list", str(numbers))
    with pytest.raises(CommandError, match="--safe-list"):
        run("--safe-list", str(tmp_path / "none"))


def test_entries_of_the_safe_list_that_cannot_be_made(vendor, run, tmp_path):
    SafeListNumber.objects.create(sid=sid("GN", 2), account=make_account(), phone_number=PHONE)
    numbers = tmp_path / "numbers"
    numbers.write_text(PHONE)
    vendor.objects[f"SafeList/Numbers/{PHONE}"] = {"sid": sid("GN", 2), "phone_number": PHONE}
    assert "this SID is taken" in run("--safe-list", str(numbers))
    assert SafeListNumber.objects.count() == 1


def test_numbers_of_the_safe_list_as_people_write_them(vendor, run, tmp_path):
    vendor.add(service())
    numbers = tmp_path / "numbers"
    numbers.write_text("\ufeff+1 (415) 555-2671\n", encoding="utf-8")
    # Whatever number the source answers, it is the one that was asked for.
    vendor.objects[f"SafeList/Numbers/{PHONE}"] = {"sid": sid("GN"), "phone_number": "+15017122661"}
    run("--safe-list", str(numbers))
    assert SafeListNumber.objects.get().number == PHONE
    numbers.write_text(f"{PHONE}\n\n415 555 2671")
    with pytest.raises(CommandError, match="line 3 is no number") as caught:
        run("--safe-list", str(numbers))
    assert "415" not in str(caught.value)
