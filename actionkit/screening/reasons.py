"""Why a signature is held, in words for staff.

The English words are what is stored beside the signature (60 characters at most); the desk
translates them when it shows them.
"""

from __future__ import annotations

from flask_babel import lazy_gettext

MANY_AT_ONCE = "many signatures from one network"
MANY_IN_A_DAY = "many signatures from one network in a day"
LISTED_NETWORK = "network on your list"
LISTED_DOMAIN = "mail domain on your list"
LISTED_ADDRESS = "address on your list"
THROW_AWAY = "throw-away address"
NO_PROOF = "no proof of work"

TRANSLATED = (
    lazy_gettext("many signatures from one network"),
    lazy_gettext("many signatures from one network in a day"),
    lazy_gettext("network on your list"),
    lazy_gettext("mail domain on your list"),
    lazy_gettext("address on your list"),
    lazy_gettext("throw-away address"),
    lazy_gettext("no proof of work"),
)
"""The same once more, where the collector of sentences finds them."""
