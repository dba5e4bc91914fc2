"""What no message costs is no amount: one answer of a provider must not spoil a site's figures."""

import pytest

from django_verify import rollups
from django_verify.fraud import spend
from tests.admin.test_dashboard import page, start
from tests.conftest import make_account, make_service


@pytest.mark.parametrize("amount", ["1e308", "-9e200", "1e10", "NaN", "Infinity", "free"])
def test_an_absurd_amount_is_none(amount):
    assert spend.worth(amount, "USD", {}) is None
    assert spend.worth("1e9", "USD", {}) == 1e9


@pytest.mark.django_db
@pytest.mark.parametrize("amount", ["1e308", "9e200", "9e12"])
def test_an_hour_with_one_is_counted_and_shown(admin_client, clock, amount):
    service = make_service(make_account())
    start(service, approved=True, price_value=amount, price_currency="USD", messages=1)
    page(admin_client)
    clock.shift(2 * 3600)
    assert rollups.advance() == 1
    page(admin_client)
