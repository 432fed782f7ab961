"""Countries: ISO 3166-1 alpha-2 codes and Kosovo's XK, with their names in any language."""

from __future__ import annotations

import unicodedata
from functools import cache

from babel import Locale

# ISO 3166-1, as of 2024, with XK, which ISO leaves to its users and most of them use for Kosovo.
CODES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
    KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT
    MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ
    UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK
    """.split()
)


@cache
def _names(language: str) -> dict[str, str]:
    territories = Locale.parse(language, sep="-").territories
    return {code: territories.get(code, code) for code in CODES}


def name(code: str, language: str) -> str:
    """The country's name in a language (a BCP 47 tag); the code itself where none is known."""
    return _names(language).get(code, code)


@cache
def choices(language: str) -> tuple[tuple[str, str], ...]:
    """(code, name) of every country, ordered as a reader of that language would look for it."""

    def sort_key(pair: tuple[str, str]) -> str:
        letters = unicodedata.normalize("NFKD", pair[1]).casefold()
        return "".join(c for c in letters if not unicodedata.combining(c))

    return tuple(sorted(_names(language).items(), key=sort_key))
