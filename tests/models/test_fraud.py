"""What the lists of the guard take."""

import pytest
from django.core.exceptions import ValidationError

from django_verify.models import GeoPermission, PrefixRule, Price

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("channel", ["sms call", " sms", "SMS", "email", "fax"])
def test_a_country_and_a_price_name_one_channel(account, channel):
    row = GeoPermission(account=account, scope=account.sid, country="DE", action="block")
    price = Price(country="DE", amount="0.05", currency="USD")
    for each in (row, price):
        each.channel = "sms"
        each.full_clean()
        each.channel = channel
        with pytest.raises(ValidationError) as refused:
            each.full_clean()
        assert set(refused.value.error_dict) == {"channel"}


def test_a_rule_names_several(account):
    PrefixRule(prefix="+4915", action="block", channels="sms call").full_clean()
