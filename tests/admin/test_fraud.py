"""The guard's lists in the admin: countries, prefix rules, their files, and the safe list."""

import csv
import io

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import QuerySet
from django.db.models.signals import pre_save

from django_verify import verifications
from django_verify.admin import csv_files, geopermissions
from django_verify.fraud import high_risk
from django_verify.models import GeoPermission, PrefixRule
from tests.admin.conftest import received
from tests.admin.test_services import save
from tests.conftest import PHONE, make_account, make_service

pytestmark = pytest.mark.django_db

GEO = "/admin/django_verify/geopermission/"
RULES = "/admin/django_verify/prefixrule/"
COLUMNS = "account,service,country,channel,action\n"
RULE_COLUMNS = "prefix,action,channels,account,note,ends\n"


def row(account, **changes):
    form = {
        "account": account.sid,
        "service": "",
        "country": "DE",
        "channel": "",
        "action": "block",
    }
    return {**form, **changes}


def file(text, name="file.csv", encoding="utf-8"):
    data = text if isinstance(text, bytes) else text.encode(encoding)
    return {"file": SimpleUploadedFile(name, data, "text/csv")}


def errors(response):
    assert response.status_code == 200
    found = response.context
    form = found["adminform"].form if "adminform" in found else found["form"]
    return str(form.errors)


def cells(data):
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


class TestCountries:
    def test_an_operator_blocks_a_country(self, boss, account):
        page = boss.get(f"{GEO}add/")
        text = page.content.decode()
        assert "what has no row here is allowed" in text
        assert page.context["adminform"].form.initial == {"account": account.sid, "action": "block"}
        assert "Germany (+49)" in text
        assert boss.post(f"{GEO}add/", row(account)).status_code == 302
        made = GeoPermission.objects.get()
        assert (made.scope, made.country, made.action) == (account.sid, "DE", "block")
        listed = boss.get(GEO).content.decode()
        assert "Germany" in listed
        assert "Every channel" in listed

    def test_a_second_row_for_the_same_is_refused(self, boss, account):
        boss.post(f"{GEO}add/", row(account))
        assert "already" in errors(boss.post(f"{GEO}add/", row(account, action="allow")))
        assert boss.post(f"{GEO}add/", row(account, channel="call")).status_code == 302
        own = make_service(account)
        assert boss.post(f"{GEO}add/", row(account, service=own.sid)).status_code == 302
        assert GeoPermission.objects.count() == 3

    def test_another_accounts_service_is_refused(self, boss, account):
        theirs = make_service(make_account("Other"))
        response = boss.post(f"{GEO}add/", row(account, service=theirs.sid))
        assert "belongs to another account" in errors(response)

    @pytest.mark.parametrize("term", ["germ", "Germany", "DE", "de"])
    def test_a_country_is_found_by_name_and_code(self, boss, account, term):
        GeoPermission.objects.create(account=account, country="DE", action="block")
        GeoPermission.objects.create(account=account, country="FR", action="block")
        found = boss.get(GEO, {"q": term}).context["cl"].queryset
        assert [each.country for each in found] == ["DE"]

    @pytest.mark.parametrize(
        ("what", "expected"),
        [
            ("only", {"*": "block", "DE": "allow", "FR": "allow"}),
            ("all-but", dict.fromkeys(high_risk.COUNTRIES, "block")),
            ("every", {}),
        ],
    )
    def test_a_set_replaces_the_rows_of_its_scope(self, boss, account, what, expected):
        own, other = make_service(account), make_account("Other")
        for values in (
            {"account": account},
            {"account": account, "service": own},
            {"account": other},
        ):
            GeoPermission.objects.create(country="US", action="block", **values)
        form = {"account": account.sid, "what": what, "chosen": ["DE", "FR"]}
        response = boss.post(f"{GEO}set/", form, follow=True)
        assert received(response) == [f"{len(expected)} row{'s' * (len(expected) != 1)} saved."]
        ours = GeoPermission.objects.filter(scope=account.sid)
        assert dict(ours.values_list("country", "action")) == expected
        assert GeoPermission.objects.exclude(scope=account.sid).count() == 2
        assert LogEntry.objects.filter(object_id=account.sid).exists()

    def test_a_set_of_a_service_is_its_own(self, boss, account):
        own = make_service(account)
        form = {"account": account.sid, "service": own.sid, "what": "only", "chosen": ["DE"]}
        boss.post(f"{GEO}set/", form)
        assert set(GeoPermission.objects.values_list("scope", flat=True)) == {own.sid}
        theirs = make_service(make_account("Other"))
        response = boss.post(f"{GEO}set/", {**form, "service": theirs.sid})
        assert "another account" in errors(response)

    def test_only_no_countries_is_refused(self, boss, account):
        response = boss.post(f"{GEO}set/", {"account": account.sid, "what": "only"})
        assert "at least one country" in errors(response)

    def test_a_file_goes_round(self, boss, account):
        own = make_service(account)
        rows = [("DE", "block", "", None), ("*", "block", "call", own), ("FR", "monitor", "", own)]
        for country, action, channel, service in rows:
            GeoPermission.objects.create(
                account=account, service=service, country=country, action=action, channel=channel
            )
        answer = boss.get(f"{GEO}export/")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        exported = answer.getvalue()
        assert [account.sid, own.sid, "*", "call", "block", "All other countries"] in cells(
            exported
        )
        before = set(GeoPermission.objects.values_list("scope", "country", "channel", "action"))
        GeoPermission.objects.all().delete()
        response = boss.post(f"{GEO}import/", file(exported), follow=True)
        assert received(response) == ["3 rows imported."]
        after = GeoPermission.objects.values_list("scope", "country", "channel", "action")
        assert set(after) == before

    def test_a_file_replaces_what_is_there(self, boss, account):
        GeoPermission.objects.create(account=account, country="DE", action="block")
        text = f"{COLUMNS}{account.sid},,de,,ALLOW\n{account.sid},,FR,sms,block\n"
        boss.post(f"{GEO}import/", file(text))
        found = set(GeoPermission.objects.values_list("country", "channel", "action"))
        assert found == {("DE", "", "allow"), ("FR", "sms", "block")}

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ("{account},,Germany,,block", "country"),
            ("{account},,DE,,deny", "action"),
            ("{account},,DE,fax,block", "channel"),
            ("AC00000000000000000000000000000000,,DE,,block", "account"),
            ("nonsense,,DE,,block", "account"),
            ("{account},{theirs},DE,,block", "another account"),
            ("{account},nonsense,DE,,block", "service"),
            ("{account}", "country"),
        ],
    )
    def test_a_wrong_line_is_named_and_nothing_is_imported(self, boss, account, line, complaint):
        theirs = make_service(make_account("Other"))
        line = line.format(account=account.sid, theirs=theirs.sid)
        text = f"{COLUMNS}{account.sid},,US,,block\n{line}\n"
        found = errors(boss.post(f"{GEO}import/", file(text)))
        assert "Line 3" in found
        assert complaint in found
        assert not GeoPermission.objects.exists()


class TestRules:
    @pytest.mark.parametrize(
        ("typed", "stored"),
        [
            ("+4490987", "+4490987"),
            ("+44 (90) 987", "+4490987"),
            ("0044 90-987", "+4490987"),
            ("+٤٤90987", "+4490987"),
            ("+1", "+1"),
        ],
    )
    def test_an_operator_allows_one_prefix(self, boss, account, typed, stored):
        assert "before their country and type" in boss.get(f"{RULES}add/").content.decode()
        form = {"prefix": typed, "action": "allow", "channels": ["call", "sms"], "note": "Opened"}
        assert boss.post(f"{RULES}add/", form).status_code == 302
        made = PrefixRule.objects.get()
        assert (made.prefix, made.channels, made.account) == (stored, "sms call", None)
        page = boss.get(f"{RULES}{made.pk}/change/")
        assert page.context["adminform"].form["channels"].value() == ["sms", "call"]

    @pytest.mark.parametrize("typed", ["", "44", "+", "+0", "+44x", "+1234567890123456", "00"])
    def test_what_begins_no_number_is_refused(self, boss, typed):
        response = boss.post(f"{RULES}add/", {"prefix": typed, "action": "allow"})
        assert "prefix" in errors(response)
        assert not PrefixRule.objects.exists()

    def test_a_search_finds_the_rules_that_a_number_falls_under(self, boss):
        for prefix, note in (("+44", ""), ("+4490987", "press"), ("+449098790", ""), ("+49", "")):
            PrefixRule.objects.create(prefix=prefix, action="block", note=note)

        def found(term):
            return {each.prefix for each in boss.get(RULES, {"q": term}).context["cl"].queryset}

        assert found("+44 90 987") == {"+44", "+4490987", "+449098790"}
        assert found("press") == {"+4490987"}
        assert found("") == {"+44", "+4490987", "+449098790", "+49"}

    def test_the_list_tells_what_has_ended(self, boss, clock):
        PrefixRule.objects.create(prefix="+44", action="block", ends_at="2026-03-01T11:00Z")
        PrefixRule.objects.create(prefix="+49", action="block", ends_at="2026-03-01T13:00Z")
        PrefixRule.objects.create(prefix="+1", action="block")
        for state, expected in (("over", {"+44"}), ("live", {"+49", "+1"})):
            found = boss.get(RULES, {"state": state}).context["cl"].queryset
            assert {each.prefix for each in found} == expected

    def test_a_file_goes_round(self, boss, account, clock):
        PrefixRule.objects.create(
            account=account, prefix="+4490987", action="allow", channels="sms call",
            note='=HYPERLINK("https://example.com")', ends_at="2026-12-31T18:00Z",
        )  # fmt: skip
        PrefixRule.objects.create(prefix="+99", action="block")
        exported = boss.get(f"{RULES}export/").getvalue()
        for cell in (cell for line in cells(exported) for cell in line):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        columns = ("prefix", "action", "channels", "account", "note", "ends_at")
        before = set(PrefixRule.objects.values_list(*columns))
        response = boss.post(f"{RULES}import/", file(exported), follow=True)
        assert received(response) == ["2 rows imported."]
        assert set(PrefixRule.objects.values_list(*columns)) == before
        PrefixRule.objects.all().delete()
        boss.post(f"{RULES}import/", file(exported))
        assert set(PrefixRule.objects.values_list(*columns)) == before

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ("x,block,,,,", "first digits"),
            ("4490987,deny,,,,", "action"),
            ("4490987,block,fax,,,", "channels"),
            ("4490987,block,,,,tomorrow", "no date"),
            ("4490987,block,,,,2026-13-01 00:00", "no date"),
            ("4490987,block,,,,9999-12-31 23:59:59-05:00", "leave it empty"),
            ("4490987,block,,,,0001-01-01 00:00+02:00", "leave it empty"),
        ],
    )
    def test_a_wrong_line_is_named(self, boss, line, complaint):
        found = errors(boss.post(f"{RULES}import/", file(f"{RULE_COLUMNS}{line}\n")))
        assert "Line 2" in found
        assert complaint in found

    def test_a_line_may_end_on_a_day(self, boss):
        boss.post(f"{RULES}import/", file(f"{RULE_COLUMNS}+4490987,block,,,,2026-12-31\n"))
        assert PrefixRule.objects.get().ends_at.date().isoformat() == "2026-12-31"


class TestFiles:
    @pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "\0"])
    def test_have_no_cell_that_begins_a_formula(self, begin):
        _, written = csv.reader(io.StringIO("".join(csv_files.stream(["a"], [{"a": f"{begin}x"}]))))
        assert written == [f"'{begin}x"]

    @pytest.mark.parametrize(
        ("text", "encoding"),
        [
            ("{0};;DE;;block", "utf-8"),
            ("{0}\t\tDE\t\tblock", "utf-16"),
            ("{0},,DE,,block", "utf-8-sig"),
            ("{0},,DE,,block", "cp1252"),
        ],
    )
    def test_are_read_as_spreadsheets_save_them(self, boss, account, text, encoding):
        header = "Account,Service,COUNTRY,channel,action,näme"
        delimiter = text[3]
        data = f"{header.replace(',', delimiter)}\r\n{text.format(account.sid)}\r\n\r\n"
        boss.post(f"{GEO}import/", file(data, encoding=encoding))
        assert GeoPermission.objects.get().country == "DE"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xff\xfe\x00",
            b"country,action\nDE,block\n",
            b"PK\x03\x04\x00\x00\x81",
            b"a\rb\x00",
        ],
    )
    def test_that_are_none_are_refused(self, boss, data):
        assert "errornote" in boss.post(f"{GEO}import/", file(data)).content.decode()

    def test_that_are_too_long_are_refused(self, boss, account, monkeypatch):
        monkeypatch.setattr(csv_files, "MAX_LINES", 1)
        text = COLUMNS + f"{account.sid},,DE,,block\n" * 2
        assert "At most 1 lines" in errors(boss.post(f"{GEO}import/", file(text)))
        monkeypatch.setattr(csv_files, "MAX_BYTES", 20)
        assert "too large" in errors(boss.post(f"{GEO}import/", file(text)))

    @pytest.mark.parametrize("column", ["service", "country", "channel", "action"])
    def test_with_a_nul_are_refused(self, boss, account, column):
        cells = {"account": account.sid, "service": "", "country": "DE", "channel": ""}
        cells |= {"action": "block", column: "a\0b"}
        text = ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"
        assert "Line 2: Null characters" in errors(boss.post(f"{GEO}import/", file(text)))

    def test_of_another_kind_show_a_few_of_their_errors(self, boss, account):
        text = COLUMNS + f"{account.sid},,XX,,block\n" * 100
        assert errors(boss.post(f"{GEO}import/", file(text))).count("Line ") == 20

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\0"])
    def test_hold_no_formula(self, start):
        text = "".join(csv_files.stream(["a"], [{"a": f"{start}1+1"}]))
        ((_, cell),) = [line.values() for _, line in csv_files.read(text.encode(), ["a"])] and [
            (0, next(csv.reader(io.StringIO(text.partition("\n")[2])))[0])
        ]
        assert cell.startswith("'")


class TestPermissions:
    @pytest.mark.parametrize("page", [GEO, RULES])
    def test_a_viewer_exports_and_changes_nothing(self, clerk, page):
        model = page.split("/")[-2]
        viewer = clerk(f"view_{model}")
        assert viewer.get(f"{page}export/").status_code == 200
        assert viewer.get(f"{page}import/").status_code == 403
        text = viewer.get(page).content.decode()
        assert "export/" in text
        assert "import/" not in text
        nobody = clerk()
        assert nobody.get(f"{page}export/").status_code == 403

    def test_a_set_needs_deleting_too(self, clerk):
        writer = clerk("view_geopermission", "add_geopermission", "change_geopermission")
        assert writer.get(f"{GEO}set/").status_code == 403
        assert writer.get(f"{GEO}import/").status_code == 200


@pytest.mark.portable
def test_the_pages_say_what_they_do(boss, account):
    for page, sentence in (
        ("/admin/django_verify/safelistnumber/", "whatever the countries, the prefix rules"),
        (GEO, "within 5 seconds"),
        (RULES, "the longest one holds"),
    ):
        for path in (page, f"{page}add/"):
            assert sentence in boss.get(path).content.decode()


def test_a_service_allows_types_of_numbers(boss, account):
    own = make_service(account)
    save(boss, own, allowed_number_types=["premium", "landline"])
    own.refresh_from_db()
    assert set(own.allowed_number_types) == {"premium", "landline"}


@pytest.fixture
def rival(account):
    """Another operator, who saves the same row of a country just before anyone else does."""

    def save_first(sender, instance, **kwargs):
        key = {"scope": account.pk, "country": instance.country, "channel": instance.channel}
        if not GeoPermission.objects.filter(**key).exists():
            GeoPermission.objects.bulk_create(
                [GeoPermission(account=account, action="allow", **key)]
            )

    pre_save.connect(save_first, sender=GeoPermission)
    yield save_first
    pre_save.disconnect(save_first, sender=GeoPermission)


def test_one_of_two_operators_who_save_the_same_reads_why(boss, account, rival):
    answer = boss.post(f"{GEO}add/", row(account), follow=True)
    assert answer.status_code == 200
    assert "somebody else has saved a row for the same" in received(answer)[0]
    answer = boss.post(f"{GEO}import/", file(f"{COLUMNS}{account.sid},,DE,,block\n"))
    assert "somebody else has saved a row for the same" in errors(answer)
    assert not LogEntry.objects.exists()


def test_one_of_two_operators_who_set_all_countries_reads_why(boss, account, monkeypatch):
    real = geopermissions.ScopeForm.rows

    def rows(form):
        return [*real(form), *real(form)]

    monkeypatch.setattr(geopermissions.ScopeForm, "rows", rows)
    data = {"account": account.sid, "what": "only", "chosen": ["DE"]}
    answer = boss.post(f"{GEO}set/", data)
    assert "somebody else has saved a row for the same" in errors(answer)
    assert not GeoPermission.objects.exists()


def test_one_of_two_operators_who_block_a_country_from_a_record_changes_its_row(
    boss, account, monkeypatch
):
    record = verifications.start(make_service(account), PHONE)
    GeoPermission.objects.create(account=account, country="US", action="allow")
    real, looked = QuerySet.get, []

    def get(rows, *args, **kwargs):
        if rows.model is GeoPermission and not looked:
            looked.append(rows)
            raise GeoPermission.DoesNotExist  # it was written after this look
        return real(rows, *args, **kwargs)

    monkeypatch.setattr(QuerySet, "get", get)
    url = f"/admin/django_verify/verification/{record.pk}/range/"
    assert boss.post(url, {"what": "country", "action": "block"}).status_code == 302
    assert looked
    assert GeoPermission.objects.get().action == "block"


def test_a_second_rule_for_the_same_is_refused_by_its_form(boss, account):
    data = {"prefix": "+44 90 987", "action": "block", "account": account.sid, "note": ""}
    assert boss.post(f"{RULES}add/", data).status_code == 302
    twin = {**data, "prefix": "+4490987", "action": "allow"}
    assert "There is a rule for this prefix" in str(errors(boss.post(f"{RULES}add/", twin)))
    for other in ({"channels": ["call"]}, {"account": ""}, {"prefix": "+44909871"}):
        assert boss.post(f"{RULES}add/", {**data, **other}).status_code == 302
    first = PrefixRule.objects.get(prefix="+4490987", account=account, channels="")
    assert boss.post(f"{RULES}{first.pk}/change/", {**data, "note": "Ann"}).status_code == 302
    assert boss.post(f"{RULES}add/", {**data, "account": ""}).status_code == 200
    assert PrefixRule.objects.count() == 4


def test_a_rule_that_is_there_twice_holds(boss, account):
    for _ in range(2):  # as two operators write it at one moment
        PrefixRule.objects.create(prefix="+4490987", action="block", account=account)
    assert boss.get(RULES).status_code == 200
