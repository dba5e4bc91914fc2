"""Every type of number and every shared calling code, decided as the number's region says."""

import pytest

from django_verify import exceptions, fraud, verifications
from django_verify.contact import phones
from django_verify.contact.phones import NumberType
from django_verify.exceptions import DestinationRefused, InvalidParameter, LandlineRefused
from django_verify.fraud import number_types
from django_verify.models import GeoPermission
from tests.conftest import PHONE, make_service

pytestmark = pytest.mark.django_db(transaction=True)

SENT = None
# Number, region, type, and what becomes of it by text message and by call.
TYPES = [
    ("+4915112345678", "DE", "mobile", SENT, SENT),
    (PHONE, "US", "mobile", SENT, SENT),
    ("+442071838750", "GB", "landline", LandlineRefused, SENT),
    ("+33987654321", "FR", "voip", SENT, SENT),
    ("+18005551234", "US", "toll_free", LandlineRefused, SENT),
    ("+448001111111", "GB", "toll_free", LandlineRefused, SENT),
    ("+449098790123", "GB", "premium", DestinationRefused, DestinationRefused),
    ("+19005551234", "US", "premium", DestinationRefused, DestinationRefused),
    ("+979123456789", "", "premium", DestinationRefused, DestinationRefused),
    ("+498001234567", "DE", "toll_free", LandlineRefused, SENT),
    ("+4918012345", "DE", "shared_cost", DestinationRefused, DestinationRefused),
    ("+80812345678", "", "shared_cost", DestinationRefused, DestinationRefused),
    ("+447012345678", "GB", "personal", DestinationRefused, DestinationRefused),
    ("+443001234567", "GB", "uan", DestinationRefused, DestinationRefused),
    ("+447640123456", "GB", "pager", DestinationRefused, DestinationRefused),
    ("+41860791234567", "CH", "voicemail", DestinationRefused, DestinationRefused),
    ("+870773111632", "", "satellite", DestinationRefused, DestinationRefused),
    ("+881612345678", "", "satellite", DestinationRefused, DestinationRefused),
    ("+8821621111111", "", "satellite", DestinationRefused, DestinationRefused),
    ("+61147123456", "AU", "satellite", DestinationRefused, DestinationRefused),
    ("+79541234567", "RU", "satellite", DestinationRefused, DestinationRefused),
    ("+80012345678", "", "international", DestinationRefused, DestinationRefused),
    ("+878101234567890", "", "international", DestinationRefused, DestinationRefused),
    ("+883510012345678", "", "international", DestinationRefused, DestinationRefused),
    # A mobile of Argentina, in both of its spellings.
    ("+5491123450001", "AR", "mobile", SENT, SENT),
    ("+541123450001", "AR", "mobile", SENT, SENT),
]
# A mobile of each territory that shares its calling code with others.
TERRITORIES = [
    ("+14155552671", "US"),
    ("+15062345678", "CA"),
    ("+12423591234", "BS"),
    ("+12462501234", "BB"),
    ("+12642351234", "AI"),
    ("+12684641234", "AG"),
    ("+12843001234", "VG"),
    ("+13406421234", "VI"),
    ("+13453231234", "KY"),
    ("+14413701234", "BM"),
    ("+14734031234", "GD"),
    ("+16492311234", "TC"),
    ("+16582101234", "JM"),
    ("+18762101234", "JM"),
    ("+16644921234", "MS"),
    ("+16702345678", "MP"),
    ("+16713001234", "GU"),
    ("+16847331234", "AS"),
    ("+17215205678", "SX"),
    ("+17582845678", "LC"),
    ("+17672251234", "DM"),
    ("+17844301234", "VC"),
    ("+17872345678", "PR"),
    ("+18092345678", "DO"),
    ("+18682911234", "TT"),
    ("+18697652917", "KN"),
    ("+79123456789", "RU"),
    ("+77710009998", "KZ"),
    ("+393123456789", "IT"),
    ("+3780549886377", "SM"),
    ("+37866661212", "SM"),
    ("+390669812345", "VA"),
    ("+447400123456", "GB"),
    ("+447781123456", "GG"),
    ("+447797712345", "JE"),
    ("+447624123456", "IM"),
    ("+4740612345", "NO"),
    ("+4741234567", "NO"),
    ("+4779123456", "SJ"),
    ("+61412345678", "AU"),
    ("+61891641234", "CX"),
    ("+61891621234", "CC"),
    ("+212650123456", "MA"),
    # libphonenumber has given the numbers of Western Sahara to Morocco since 2025.
    ("+212528812345", phones.parse("+212528812345").region),
    ("+262692123456", "RE"),
    ("+262639012345", "YT"),
    ("+358412345678", "FI"),
    ("+3581812345", "AX"),
    ("+38343201234", "XK"),
    ("+381601234567", "RS"),
    ("+590690001234", "GP"),
    ("+59995181234", "CW"),
    ("+5993181234", "BQ"),
]


def outcome(service, to, channel):
    try:
        verifications.start(service, to, channel)
    except exceptions.VerifyError as error:
        return type(error)
    return SENT


@pytest.mark.parametrize(("number", "region", "kind", "by_sms", "by_call"), TYPES)
def test_each_type_of_number_is_decided_by_channel(service, number, region, kind, by_sms, by_call):
    phone = phones.parse(number)
    assert (phone.region, phone.type) == (region, kind)
    assert outcome(service, number, "sms") is by_sms
    assert outcome(service, number, "call") is by_call


def test_every_type_has_a_rule():
    tried = {kind for _, _, kind, _, _ in TYPES} | {NumberType.UNLISTED}
    assert tried == set(NumberType)
    groups = (number_types.EVERYWHERE, number_types.WITHOUT_TEXTS, number_types.ORDINARY)
    assert sum(map(len, groups)) == len(NumberType) - 1
    assert {"unlisted"}.union(*groups) == set(NumberType)


@pytest.mark.parametrize("channel", ["sms", "call", "whatsapp", "telegram"])
def test_no_channel_reaches_a_premium_number(service, channel):
    with pytest.raises(DestinationRefused) as refused:
        verifications.start(service, "+19005551234", channel)
    assert (refused.value.code, refused.value.reason) == (60605, "number_type")


@pytest.mark.parametrize(
    ("number", "kind"), [(number, kind) for number, _, kind, by_sms, _ in TYPES if by_sms]
)
def test_a_service_may_allow_a_type(account, number, kind):
    service = make_service(account, allowed_number_types=[kind])
    assert outcome(service, number, "sms") is SENT


@pytest.mark.parametrize(("number", "region"), TERRITORIES)
def test_a_territory_is_decided_by_its_region_and_not_by_its_calling_code(account, number, region):
    service = make_service(account, allowed_number_types=["landline"])
    assert phones.parse(number).region == region
    permission = GeoPermission.objects.create(account=account, country=region, action="block")
    with pytest.raises(DestinationRefused) as refused:
        verifications.start(service, number)
    assert refused.value.reason == "country"
    # Its neighbours under the same calling code are open, and it is where they are shut.
    permission.delete()
    code = next(code for each, code in phones.regions() if each == region)
    for each, of_each in phones.regions():
        if of_each == code and each != region:
            GeoPermission.objects.create(account=account, country=each, action="block")
    fraud.forget()
    assert outcome(service, number, "sms") is SENT


def test_a_malformed_number_stays_malformed(service):
    assert outcome(service, "+4490987", "sms") is InvalidParameter
