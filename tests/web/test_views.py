"""The pages without a browser: every way through them, and every refusal as a sentence."""

import pytest

from tests.conftest import OTHER_PHONE, PHONE, code_in, wrong
from tests.web.conftest import Visitor

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _service(service):
    return service


def test_from_number_to_done(visitor, outbox):
    page = visitor.get()
    assert (page.status, page.heading, page.focused) == (200, "Verify your number", "number")
    page = visitor.start("(415) 555-2671", country="US")
    assert visitor.redirects == ["/code/"]
    assert (page.heading, page.focused) == ("Enter the code", "code")
    assert "We sent a code to +1 415-555-2671." in page.texts("p")[0]
    code = code_in(outbox[0])
    page = visitor.check(f"{code[:3]} {code[3:]}")
    assert visitor.redirects == ["/done/"]
    assert page.heading == "Your number is verified"
    assert page.said == ["You can be reached at +1 415-555-2671."]
    print(page.html)
