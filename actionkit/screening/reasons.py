"""Why a signature is held, in words for staff.

The English words are what is stored beside the signature (60 characters at most); the desk
translates them when it shows them.
"""

from __future__ import annotations

from actionkit.languages import gettext_noop

MANY_AT_ONCE = gettext_noop("many signatures from one network")
MANY_IN_A_DAY = gettext_noop("many signatures from one network in a day")
LISTED_NETWORK = gettext_noop("network on your list")
LISTED_DOMAIN = gettext_noop("mail domain on your list")
LISTED_ADDRESS = gettext_noop("address on your list")
THROW_AWAY = gettext_noop("throw-away address")
NO_PROOF = gettext_noop("no proof of work")
