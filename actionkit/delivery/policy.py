"""Refusals of a recipient that are refusals of us.

A mail server that does not relay for us, or that keeps a policy against us, says so at RCPT TO, where it
looks like the recipient's own trouble. Said alike of recipients in several domains, one after another and
with no mail taken in between, it is about us: then all wait, and those that it was said of are not failed.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

DOMAINS_UNTIL_OURS = 3
OURS = "the mail server refuses mails of ours, whoever they are for"
"""Why a mail that had failed is queued again, in its history."""

_POLICY = re.compile(r"5\.7\.\d{1,3}")
_NO_RELAY = re.compile(r"\b(relay(ing)?\b.*\b(denied|not (permitted|allowed)|prohibited)|not permitted to relay)", re.I)


def code_of(answer: str) -> str:
    """What a 5xx answer to RCPT TO says of us (RFC 3463 X.7: a policy); "" where it says nothing."""
    if found := _POLICY.match(answer):
        return found[0]
    return "relaying" if _NO_RELAY.search(answer) else ""


@dataclass
class Streak:
    """What was refused alike since the last mail that was taken, as far as this process knows."""

    code: str = ""
    refused: dict[int, str] = field(default_factory=dict)
    """Id of each mail → the domain it was for."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refusal(self, mail_id: int, domain: str, code: str) -> list[int]:
        """The mails, this one among them, that must not fail for it, since it is about us; none where that is open."""
        with self._lock:
            if code != self.code:
                self.code, self.refused = code, {}
            self.refused[mail_id] = domain
            return list(self.refused) if len(set(self.refused.values())) >= DOMAINS_UNTIL_OURS else []

    def end(self) -> None:
        """A mail was taken."""
        if self.code:
            with self._lock:
                self.code, self.refused = "", {}
