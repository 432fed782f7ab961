"""Which passwords are taken: long ones that nobody guesses first (NIST SP 800-63B, 5.1.1.2).

No rule about digits or signs: length is what counts. Nothing is asked of a server elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from flask_babel import gettext as _
from flask_security import PasswordUtil

SHORTEST = 12
LONGEST = 1_000
"""Characters. Far above any password manager's; only there so that nobody sends a megabyte."""
FEWEST_DIFFERENT = 5
LONGEST_GUESSED = 40
"""No list of leaked passwords is worth trying above it: there even a repetition is taken."""

# What lists of leaked passwords begin with, as far as it can be padded to twelve characters.
_COMMON_WORDS = frozenset(
    """
    abc access actionkit admin administrator amnesty andrea angel asdf asdfgh ashley bailey baseball batman
    campaign changeme charlie charlieyouknow chelsea computer correcthorsebatterystaple daniel default dragon
    facebook flower football freedom friend google hello hunter iloveyou internet jennifer jessica jordan joshua
    killer letmein liverpool login love lovely loveyou manager master matthew michael michelle monkey mustang
    mynoob nicole ninja pass passion passphrase passwd passwort password pepper petition pokemon princess qazwsx
    qwerty qwertyuiop robert root samsung secret shadow soccer starwars staff summer sunshine superman superuser
    temporary test testing thisisapassword thomas trustno user welcome whatever winter wordpass zaqwsx zxcvbn
    """.split()
)
_COMMON_WHOLE = frozenset("1q2w3e4r5t6y q1w2e3r4t5y6 1qaz2wsx3edc zaq12wsxcde3 1qazxsw23edc a1b2c3d4e5f6".split())
_RUNS = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop")
_RUN_LEAST = 3
_LEET = str.maketrans("@4031$5!7", "aaoeissit")


def can_be_one(password: str) -> bool:
    """Whether the text could be anyone's password at all: a hash is spent on no other."""
    return 0 < len(password) <= LONGEST and "\0" not in password


def faults(password: str, email: str = "") -> list[str]:
    """Why the password is not taken, in sentences; nothing when it is."""
    length = len(unicodedata.normalize("NFC", password))
    if length < SHORTEST:
        return [_("The password needs at least %(least)d characters.", least=SHORTEST)]
    if length > LONGEST:
        return [_("The password may have at most %(most)d characters.", most=LONGEST)]
    if "\0" in password:
        return [_("The password holds a character that we cannot take.")]
    if _is_common(password, email):
        return [
            _(
                "This password is one of the first that others would try. "
                "Three or four words that have nothing to do with each other make a good one."
            )
        ]
    return []


def _is_common(password: str, email: str) -> bool:
    if len(password) > LONGEST_GUESSED:
        return False
    folded = _unit(unicodedata.normalize("NFKC", password).casefold())
    if (folded.isascii() and len(set(folded)) < FEWEST_DIFFERENT) or folded in _COMMON_WHOLE:
        return True
    if email and folded in {email, email.split("@")[0]}:
        return True
    cores = {_core(folded), _core(_without_runs(folded))}
    cores |= {core.translate(_LEET) for core in cores}
    return bool(cores & (_COMMON_WORDS | {""}))


def _unit(text: str) -> str:
    """What a text repeats: "abcabc" says no more than "abc"."""
    period = (text + text).find(text, 1)
    return text[:period]


def _core(text: str) -> str:
    """The text without what is put around a word to make it longer."""
    return re.sub(r"^[\W\d_]+|[\W\d_]+$", "", text) if re.search(r"[^\W\d_]", text) else _digits_core(text)


def _digits_core(text: str) -> str:
    # Digits and signs alone may be random; only runs and dates are not, and runs are gone by now.
    return text if len(text) >= SHORTEST or not text.isascii() else ""


def _without_runs(text: str) -> str:
    """The text without pieces of the alphabet, of the keyboard's rows and of counting."""
    kept, start = [], 0
    while start < len(text):
        end = start + _RUN_LEAST
        while end <= len(text) and any(text[start:end] in run or text[start:end] in run[::-1] for run in _RUNS):
            end += 1
        length = end - 1 - start
        if length >= _RUN_LEAST:
            start += length
        else:
            kept.append(text[start])
            start += 1
    return "".join(kept)


class StaffPasswords(PasswordUtil):
    """Flask-Security's rules for passwords, replaced by ours (its own stop at 128 characters)."""

    def validate(self, password: str, is_register: bool, **kwargs: Any) -> tuple[list[str] | None, str]:
        """(faults or None, the password as it is hashed)."""
        user = kwargs.get("user")
        found = faults(password, getattr(user, "email", ""))
        return found or None, self.normalize(password)
