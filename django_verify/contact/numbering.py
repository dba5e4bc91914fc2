"""The dated table of numbers that have several spellings: plans that grew, and twin prefixes.

One row for each; nothing but `phones` reads it. After a change of the table, `manage.py
rekeyrecipients` computes the keys of stored rows anew.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """What the second spelling is today."""

    #: It has ended, and the number is completed to today's spelling wherever it is read.
    RETIRED = "retired"
    #: Both are in use and reach the same person: each stays as it is written, under one key.
    TWIN = "twin"


@dataclass(frozen=True, slots=True)
class Change:
    """One row: what follows `+` in the former or second spelling, and what it is written as.

    `since` is the day, or the year where no day is known, on which the new spelling came into
    force.
    """

    old: str
    new: str
    since: str
    source: str
    kind: Kind = Kind.RETIRED
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(rf"\+{self.old}\Z", re.ASCII))


_RECIPES = "libphonenumber, migrator/src/data/recipes.csv"
_WTNG = "World Telephone Numbering Guide, wtng.info"
_ITU = "ITU Operational Bulletin, national numbering plans (E.129)"
_SEOUL = "Korea Communications Commission, 010 conversion rules; Dong-A Ilbo, 2008-08-26"
_NCA = "NCA Ghana, migration of 1 May 2010; " + _WTNG
_ANATEL = "1[1-9]|2[12478]|3[1-578]|4[1-9]|5[13-5]|6[1-9]|7[13-579]|8[1-9]|9[1-9]"
_CHILE = "3[2-5]|4[1-35]|5[1-357]|6[13-57]|7[1235]"
# What a number of Metro Manila began with, by the digit that stands before it today.
_MANILA = {
    "8": (
        "20[89] 23[0-7] 2[45] 26[07-9] 2[7-9] 33[0-4] 34[0-8] 35[0-79] 36[0-7] 37[0-6] 39[5-9] "
        "40[0-5] 42[0-3569] 44[12] 45[127-9] 46[0-5] 47[0-25-9] 5[1256] 53[0-6] 54[1-9] 57[0-589] "
        "58[0-489] 62[06-8] 6[35] 64[0-7] 66[0-46-9] 67[12] 68[1-37-9] 69[1-35-7] 70 71[0-6] "
        "7[23][1-7] 74[0-39] 7[78] 790 8 91[1-3] 92 93[0-25-9] 94[1278] 95[1-3] 96[127] 98[1-68] "
        "99"
    ),
    "7": (
        "21 225 23[89] 26[13-6] 358 36[89] 473 482 50 57[67] 58[5-7] 61[135-8] 62[1-5] 71[7-9] "
        "7[23][089] 74[4-8] 75 79[1-9] 90 91[04-9] 93[34] 94[03-69] 95[04-9] 96[0468] 97[0-568] "
        "98[079]"
    ),
    "3": (
        "22[0-46-8] 262 37[7-9] 38 39[0-4] 40[6-9] 4[139] 42[78] 44[03-9] 45[03-6] 46[6-9] 474 "
        "48[013-9]"
    ),
    "6": "76",
}
_TWIN = Kind.TWIN

# A row needs a rule that leaves no choice: where the new digits depend on the operator, or where
# the former spelling has been given to others, two spellings stay two people. So these are left
# out: Ho Chi Minh City (84 8), Burkina Faso's 50, Togo's mobiles, Egypt's 15, Brazil's 5 and 7
# (trunked radio kept eight digits), Slovenia's 43 and Serbia's 28, 29, 38 and 39 for Kosovo. What
# has been reassigned since 2010 must not be added.
CHANGES: tuple[Change, ...] = (
    # Two spellings that are both in use.
    Change(r"549(\d{10})", r"+54\1", "1999", _ITU + ": Argentina, the mobile 9", _TWIN),
    Change(
        r"390549([89]\d{5})", r"+3780549\1", "1996", _ITU + ": San Marino, by way of Italy", _TWIN
    ),
    Change(r"972(5[69]\d{7})", r"+970\1", "1999", _ITU + ": Palestine, by way of Israel", _TWIN),
    Change(
        r"972((?:22[2-47-9]|42[45]|82[014-68]|92[3569])\d{5})",
        r"+970\1",
        "1999",
        _ITU + ": Palestine, by way of Israel",
        _TWIN,
    ),
    # Prefixes that may be left out, or that no call needs any more.
    Change(r"378([89]\d{5})", r"+3780549\1", "1996", _ITU + ": San Marino, the area code"),
    Change(
        r"51(?:1|[4-8]\d)(9\d{8})", r"+51\1", "2010-09-04", "OSIPTEL Peru, no area code of mobiles"
    ),
    Change(r"521([2-9]\d{9})", r"+52\1", "2019-08-03", _RECIPES + ": Mexico, the mobile 1"),
    # Calling codes that changed, or are reserved beside the one in use.
    Change(r"379(06698\d{4,6})", r"+39\1", "1996", _ITU + ": Vatican City, reserved beside +39"),
    Change(r"997([67]\d{9})", r"+7\1", "2021", _ITU + ": Kazakhstan, reserved beside +7"),
    Change(r"377(4[45]\d{6})", r"+383\1", "2016-12-15", _ITU + ": Kosovo, from Monaco's code"),
    Change(r"386(49\d{6})", r"+383\1", "2016-12-15", _ITU + ": Kosovo, from Slovenia's code"),
    Change(r"599(5\d{6})", r"+1721\1", "2011-09-30", _ITU + ": Sint Maarten joins +1"),
    # Plans that grew or changed their prefixes, by calling code.
    Change(
        r"201([069]\d{7})", r"+2010\1", "2011-10-06", "NTRA Egypt, mobile numbers of ten digits"
    ),
    Change(r"201([14]\d{7})", r"+2011\1", "2011-10-06", "NTRA Egypt, mobile numbers of ten digits"),
    Change(
        r"201([278]\d{7})", r"+2012\1", "2011-10-06", "NTRA Egypt, mobile numbers of ten digits"
    ),
    Change(r"222(5\d{6})", r"+2224\1", "2011-01-01", _ITU + ": Mauritania, fixed lines"),
    Change(r"225([04-9][0-3]\d{6})", r"+22501\1", "2021-01-31", "ARTCI, Côte d'Ivoire: ten digits"),
    Change(r"225([04-9][4-6]\d{6})", r"+22505\1", "2021-01-31", "ARTCI, Côte d'Ivoire: ten digits"),
    Change(r"225([04-9][7-9]\d{6})", r"+22507\1", "2021-01-31", "ARTCI, Côte d'Ivoire: ten digits"),
    Change(r"225([23]\d[8]\d{5})", r"+22521\1", "2021-01-31", "ARTCI, Côte d'Ivoire: ten digits"),
    Change(r"225([23]\d[0]\d{5})", r"+22525\1", "2021-01-31", "ARTCI, Côte d'Ivoire: ten digits"),
    Change(
        r"225([23]\d[1-79]\d{5})", r"+22527\1", "2021-01-31", "ARTCI, Côte d'Ivoire: ten digits"
    ),
    Change(r"22640(\d{6})", r"+22624\1", "2014-11-30", "ARCEP Burkina Faso: 40 becomes 24"),
    Change(r"228((?:2[2-7]|3[23]|4[45])\d{5})", r"+2282\1", "2011-08-07", "ARTP Togo, fixed lines"),
    Change(r"229([24569]\d{7})", r"+22901\1", "2024-11-30", "ARCEP Bénin: ten digits"),
    Change(
        r"230((?:25\d|44\d|49[1-8]|[79]\d\d)\d{4})",
        r"+2305\1",
        "2013-09-01",
        "ICTA Mauritius, mobile numbers",
    ),
    Change(r"23321(\d{6})", r"+233302\1", "2010-05-01", _NCA),
    Change(r"23322(\d{6})", r"+233303\1", "2010-05-01", _NCA),
    Change(r"233251(\d{5})", r"+2333430\1", "2010-05-01", _NCA),
    Change(r"23331(\d{5})", r"+2333120\1", "2010-05-01", _NCA),
    Change(r"233342(\d{5})", r"+2333121\1", "2010-05-01", _NCA),
    Change(r"233345(\d{5})", r"+2333122\1", "2010-05-01", _NCA),
    Change(r"233362(\d{5})", r"+2333123\1", "2010-05-01", _NCA),
    Change(r"233372(\d{5})", r"+2333322\1", "2010-05-01", _NCA),
    Change(r"233392(\d{5})", r"+2333124\1", "2010-05-01", _NCA),
    Change(r"233394(\d{5})", r"+2333125\1", "2010-05-01", _NCA),
    Change(r"233395(\d{5})", r"+2333126\1", "2010-05-01", _NCA),
    Change(r"23341(\d{5})", r"+2333320\1", "2010-05-01", _NCA),
    Change(r"23342(\d{5})", r"+2333321\1", "2010-05-01", _NCA),
    Change(r"233432(\d{5})", r"+2333323\1", "2010-05-01", _NCA),
    Change(r"23351(\d{5})", r"+2333220\1", "2010-05-01", _NCA),
    Change(r"233531(\d{5})", r"+2333221\1", "2010-05-01", _NCA),
    Change(r"233561(\d{5})", r"+2333222\1", "2010-05-01", _NCA),
    Change(r"233565(\d{5})", r"+2333223\1", "2010-05-01", _NCA),
    Change(r"233567(\d{5})", r"+2333526\1", "2010-05-01", _NCA),
    Change(r"233568(\d{5})", r"+2333527\1", "2010-05-01", _NCA),
    Change(r"233572(\d{5})", r"+2333224\1", "2010-05-01", _NCA),
    Change(r"233582(\d{5})", r"+2333225\1", "2010-05-01", _NCA),
    Change(r"23361(\d{5})", r"+2333520\1", "2010-05-01", _NCA),
    Change(r"233632(\d{5})", r"+2333521\1", "2010-05-01", _NCA),
    Change(r"233642(\d{5})", r"+2333522\1", "2010-05-01", _NCA),
    Change(r"233648(\d{5})", r"+2333523\1", "2010-05-01", _NCA),
    Change(r"233652(\d{5})", r"+2333524\1", "2010-05-01", _NCA),
    Change(r"233653(\d{5})", r"+2333525\1", "2010-05-01", _NCA),
    Change(r"23371(\d{5})", r"+2333720\1", "2010-05-01", _NCA),
    Change(r"233715(\d{5})", r"+2333721\1", "2010-05-01", _NCA),
    Change(r"233716(\d{5})", r"+2333722\1", "2010-05-01", _NCA),
    Change(r"233717(\d{5})", r"+2333723\1", "2010-05-01", _NCA),
    Change(r"23372(\d{5})", r"+2333820\1", "2010-05-01", _NCA),
    Change(r"237([5679]\d{7})", r"+2376\1", "2014-11-21", "ART Cameroon, mobile numbers"),
    Change(
        r"237((?:22|33|4[23])\d{6})", r"+2372\1", "2014-11-21", "ART Cameroon, numbers of Camtel"
    ),
    Change(r"240([25]\d{5})", r"+240222\1", "2010-04-09", _WTNG + ": Equatorial Guinea, mobile"),
    Change(r"2400([789]\d{4})", r"+2403330\1", "2010-04-09", _WTNG + ": Equatorial Guinea, fixed"),
    Change(r"2410?([256]\d{6})", r"+2416\1", "2019-11-15", _RECIPES + ": Gabon"),
    Change(r"2410?([47]\d{6})", r"+2417\1", "2019-11-15", _RECIPES + ": Gabon"),
    Change(r"2410?(1\d{6})", r"+2411\1", "2019-11-15", _RECIPES + ": Gabon, fixed lines"),
    Change(r"245(5\d{6})", r"+24595\1", "2014", _ITU + ": Guinea-Bissau, mobile"),
    Change(r"245(6\d{6})", r"+24596\1", "2014", _ITU + ": Guinea-Bissau, mobile"),
    Change(r"245(7\d{6})", r"+24597\1", "2014", _ITU + ": Guinea-Bissau, mobile"),
    Change(r"245(32\d{5})", r"+24544\1", "2014", _ITU + ": Guinea-Bissau, fixed lines"),
    Change(r"247([2-467]\d{3})", r"+2476\1", "2015-06-01", "Sure, Ascension: five digits"),
    Change(r"248(4[123]\d{4})", r"+2484\1", "2010-11-01", _WTNG + ": Seychelles"),
    Change(r"248(47\d{4})", r"+2486\1", "2010-11-01", _WTNG + ": Seychelles"),
    Change(r"248([236]\d{5})", r"+2484\1", "2011-05-04", _WTNG + ": Seychelles"),
    Change(r"248([57]\d{5})", r"+2482\1", "2011-05-04", _WTNG + ": Seychelles"),
    Change(r"253([678]\d{5})", r"+25377\1", "2012", _ITU + ": Djibouti, mobile"),
    Change(r"253([23]\d{5})", r"+25321\1", "2012", _ITU + ": Djibouti, the capital"),
    Change(r"2634(\d{6})", r"+263242\1", "2018", "TelOne Zimbabwe: Harare"),
    Change(r"268(6\d{6})", r"+2687\1", "2010-03-01", _ITU + ": Eswatini, mobile"),
    Change(r"268([2-5]\d{6})", r"+2682\1", "2011-02-01", _ITU + ": Eswatini, fixed lines"),
    Change(r"290([2-7]\d{3})", r"+2902\1", "2013-10-01", "Sure, Saint Helena: five digits"),
    Change(r"3751561(\d{5})", r"+3751545\1", "2011-01-22", _ITU + ": Belarus, Lida"),
    Change(r"504([24-8]\d{6})", r"+5042\1", "2010", _ITU + ": Honduras, fixed lines"),
    Change(rf"55({_ANATEL})([689]\d{{7}})", r"+55\g<1>9\2", "2016-11-06", _RECIPES + ": Brazil"),
    Change(r"562([2-9]\d{6})", r"+5622\1", "2012-11-24", "Subtel Chile: Santiago"),
    Change(rf"56({_CHILE})(\d{{6}})", r"+56\g<1>2\2", "2012", "Subtel Chile: the other zones"),
    Change(
        r"57([125678]\d{7}|4[0-57-9]\d{6})",
        r"+5760\1",
        "2021-09-01",
        "CRC Colombia, resolution 5826: fixed lines",
    ),
    Change(r"593([89]\d{7})", r"+5939\1", "2012-09-30", "ARCOTEL Ecuador, mobile numbers"),
    Change(
        r"598((?:[35-7]\d|4[1-9])\d{5})", r"+5984\1", "2010-08-29", "URSEC Uruguay, fixed lines"
    ),
    *(
        Change(
            rf"632((?=(?:{begin.replace(' ', '|')}))\d{{7}})",
            rf"+632{digit}\1",
            "2019-10-06",
            _RECIPES + ": Metro Manila",
        )
        for digit, begin in _MANILA.items()
    ),
    Change(r"670(7[2-8]\d{5})", r"+6707\1", "2012", _ITU + ": Timor-Leste, mobile"),
    Change(
        r"689((?:[569]\d|4[0-35-9]|8[0-8])\d{4})",
        r"+68940\1",
        "2014-06-23",
        "OPT French Polynesia, fixed lines",
    ),
    Change(
        r"689((?:2\d|3[0-59]|7\d)\d{4})", r"+68987\1", "2014-06-23", "OPT French Polynesia, mobile"
    ),
    Change(r"8211([2-4]\d{6})", r"+82105\1", "2021-06-30", _SEOUL),
    Change(r"8211([5-8]\d{6})", r"+82103\1", "2021-06-30", _SEOUL),
    Change(r"8216([2-4]\d{6})", r"+82103\1", "2021-06-30", _SEOUL),
    Change(r"8216([5-8]\d{6})", r"+82102\1", "2021-06-30", _SEOUL),
    Change(r"8217([2-4]\d{6})", r"+82106\1", "2021-06-30", _SEOUL),
    Change(r"8217([5-8]\d{6})", r"+82104\1", "2021-06-30", _SEOUL),
    Change(r"8218([2-4]\d{6})", r"+82104\1", "2021-06-30", _SEOUL),
    Change(r"8218([5-8]\d{6})", r"+82106\1", "2021-06-30", _SEOUL),
    Change(r"8219([2-4]\d{6})", r"+82102\1", "2021-06-30", _SEOUL),
    Change(r"8219([5-8]\d{6})", r"+82105\1", "2021-06-30", _SEOUL),
    Change(r"8211(9[0-4]\d{6})", r"+8210\1", "2021-06-30", _SEOUL),
    Change(r"82119([5-9]\d{6})", r"+82108\1", "2021-06-30", _SEOUL),
    Change(r"821117(\d{6})", r"+821071\1", "2021-06-30", _SEOUL),
    Change(r"82169([0-4]\d{6})", r"+82107\1", "2021-06-30", _SEOUL),
    Change(r"8216(9[5-9]\d{6})", r"+8210\1", "2021-06-30", _SEOUL),
    Change(r"82199([0-4]\d{6})", r"+82108\1", "2021-06-30", _SEOUL),
    Change(r"82199([5-9]\d{6})", r"+82107\1", "2021-06-30", _SEOUL),
    Change(r"8412([068]\d{7})", r"+847\1", "2018-09-15", _RECIPES),
    Change(r"84121(\d{7})", r"+8479\1", "2018-09-15", _RECIPES),
    Change(r"84122(\d{7})", r"+8477\1", "2018-09-15", _RECIPES),
    Change(r"8412([345]\d{7})", r"+848\1", "2018-09-15", _RECIPES),
    Change(r"84127(\d{7})", r"+8481\1", "2018-09-15", _RECIPES),
    Change(r"84129(\d{7})", r"+8482\1", "2018-09-15", _RECIPES),
    Change(r"8416([2-9]\d{7})", r"+843\1", "2018-09-15", _RECIPES),
    Change(r"8418([68]\d{7})", r"+845\1", "2018-09-15", _RECIPES),
    Change(r"84199(\d{7})", r"+8459\1", "2018-09-15", _RECIPES),
    Change(r"84992(\d{6})", r"+84672\1", "2017-06-17", _RECIPES),
    Change(r"847([235]\d{7})", r"+8427\1", "2017-06-17", _RECIPES),
    Change(r"8468(\d{7})", r"+84259\1", "2017-06-17", _RECIPES),
    Change(r"846(7[013-9]\d{6})", r"+8427\1", "2017-06-17", _RECIPES),
    Change(r"846(6\d{7})", r"+8427\1", "2017-06-17", _RECIPES),
    Change(r"84651(\d{7})", r"+84271\1", "2017-06-17", _RECIPES),
    Change(r"84650(\d{7})", r"+84274\1", "2017-06-17", _RECIPES),
    Change(r"846([124]\d{7})", r"+8425\1", "2017-06-17", _RECIPES),
    Change(r"846([03]\d{7})", r"+8426\1", "2017-06-17", _RECIPES),
    Change(r"845(7\d{7})", r"+8425\1", "2017-06-17", _RECIPES),
    Change(r"845(5[0-8]\d{6})", r"+8425\1", "2017-06-17", _RECIPES),
    Change(r"84501(\d{7})", r"+84261\1", "2017-06-17", _RECIPES),
    Change(r"84500(\d{7})", r"+84262\1", "2017-06-17", _RECIPES),
    Change(r"844([2-8]\d{7})", r"+8424\1", "2017-06-17", _RECIPES),
    Change(r"847(4\d{7})", r"+8429\1", "2017-06-17", _RECIPES),
    Change(r"84711(\d{7})", r"+84293\1", "2017-06-17", _RECIPES),
    Change(r"84710(\d{7})", r"+84292\1", "2017-06-17", _RECIPES),
    Change(r"84280(\d{7})", r"+84208\1", "2017-06-17", _RECIPES),
    Change(r"842([5-7]\d{7})", r"+8420\1", "2017-06-17", _RECIPES),
    Change(r"84240(\d{7})", r"+84204\1", "2017-06-17", _RECIPES),
    Change(r"845([34]\d{7})", r"+8423\1", "2017-06-17", _RECIPES),
    Change(r"845(2[014-79]\d{6})", r"+8423\1", "2017-06-17", _RECIPES),
    Change(r"84511(\d{7})", r"+84236\1", "2017-06-17", _RECIPES),
    Change(r"84510(\d{7})", r"+84235\1", "2017-06-17", _RECIPES),
    Change(r"8429(\d{7})", r"+84216\1", "2017-06-17", _RECIPES),
    Change(r"84231(\d{7})", r"+84213\1", "2017-06-17", _RECIPES),
    Change(r"84230(\d{7})", r"+84215\1", "2017-06-17", _RECIPES),
    Change(r"8422(\d{7})", r"+84212\1", "2017-06-17", _RECIPES),
    Change(r"8420(\d{7})", r"+84214\1", "2017-06-17", _RECIPES),
    Change(r"85620([2579])(\d{6})", r"+85620\1\g<1>\2", "2010", _ITU + ": Laos, mobile"),
    Change(r"966(1\d\d{6})", r"+9661\1", "2013", _RECIPES),
    Change(r"966(2[24-8]\d{6})", r"+9661\1", "2013", _RECIPES),
    Change(r"966(3[35-8]\d{6})", r"+9661\1", "2013", _RECIPES),
    Change(r"966(4[3-68]\d{6})", r"+9661\1", "2013", _RECIPES),
    Change(r"966(6[2-5]\d{6})", r"+9661\1", "2013", _RECIPES),
    Change(r"966(7[235-7]\d{6})", r"+9661\1", "2013", _RECIPES),
    Change(r"974([3-7])(\d{6})", r"+974\1\g<1>\2", "2010-07-28", "ictQATAR: eight digits"),
    Change(r"99532(\d{6})", r"+995322\1", "2011-03-01", _ITU + ": Georgia, Tbilisi"),
    Change(
        r"995((?:5[1578]|7[0147-9]|9[1-9])\d{6})",
        r"+9955\1",
        "2011-06-20",
        _ITU + ": Georgia, mobile",
    ),
    Change(r"995(90\d{6})", r"+9957\1", "2011-06-27", _ITU + ": Georgia, fixed wireless"),
)


def complete(number: str) -> str:
    """Return a number in E.164 in today's spelling; one that has no other as it is."""
    return _rewritten(number, _RETIRED)


def key(number: str) -> str:
    """Return the one spelling that all spellings of a number are kept and looked up under."""
    return _rewritten(complete(number), _TWINS)


def twins(number: str) -> tuple[str, ...]:
    """Return the second spellings of a key that have its calling code too."""
    fitting = ((pattern.match(number), begin) for pattern, begin in _SECOND)
    return tuple(f"{begin}{match[1]}" for match, begin in fitting if match)


def _rewritten(number: str, changes: dict[str, list[Change]]) -> str:
    """Return the first change of a number's calling code that fits, applied."""
    for length in (2, 3, 4):
        for change in changes.get(number[1:length], ()):
            if change.pattern.match(number):
                return change.pattern.sub(change.new, number)
    return number


def _by_calling_code(kind: Kind) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = defaultdict(list)
    for change in CHANGES:
        if change.kind is kind:
            found[_calling_code(change.old)].append(change)
    return dict(found)


def _calling_code(old: str) -> str:
    """Return what a row begins with, as far as the longest calling code goes."""
    digits = re.match("[0-9]+", old)
    assert digits is not None  # noqa: S101 - every row begins with its calling code
    return digits[0][:3] if len(digits[0]) >= 3 else digits[0]


def _second_spellings() -> list[tuple[re.Pattern[str], str]]:
    """Return what the key of a twin is like, and what its second spelling begins with."""
    found = []
    for change in CHANGES:
        begin, bracket, rest = change.old.partition("(")
        key_begin = change.new.removesuffix(r"\1")
        if change.kind is Kind.TWIN and f"+{begin}".startswith(key_begin):
            pattern = re.compile(rf"{re.escape(key_begin)}{bracket}{rest}\Z", re.ASCII)
            found.append((pattern, f"+{begin}"))
    return found


_SECOND = _second_spellings()
_RETIRED, _TWINS = _by_calling_code(Kind.RETIRED), _by_calling_code(Kind.TWIN)
#: What numbers that have several spellings begin with, in two or three digits.
BEGINNINGS = frozenset((*_RETIRED, *_TWINS))
