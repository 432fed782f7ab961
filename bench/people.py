"""People who sign and then confirm: what each asks next, and what was answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from actionkit import db
from actionkit.security import make_token
from actionkit.signing.mails import TO_CONFIRM
from bench import load
from bench.ground import FORM


@dataclass
class People:
    """`load.run(ask, answered)` lets so many people sign a campaign, and confirm.

    By turns one signs and one confirms, as long as there are both. What is answered with no
    success is tried again, as a person would. Needs an application context, for the links.
    """

    port: int
    campaign: str
    signatures: int
    confirmed: int = 0
    failures: int = 0
    """Answers that were no success."""
    to_sign: deque[int] = field(init=False)
    to_confirm: deque[str] = field(default_factory=deque)
    """Public ids of submissions whose link can have come."""
    thanked: bytearray = field(init=False)
    """1 for each person whose signature was acknowledged."""
    _in_flight: dict[int, int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.to_sign = deque(range(self.signatures))
        self.thanked = bytearray(self.signatures)
        self._sign = load.post(f"/campaigns/{self.campaign}/sign", self.port, FORM)

    @property
    def acknowledged(self) -> int:
        return self.thanked.count(1)

    @property
    def are_done(self) -> bool:
        return not (self.to_sign or self.to_confirm or self._in_flight)

    def ask(self, number: int) -> bytes | None:
        if self.to_confirm and (number % 2 or not self.to_sign):
            public_id = self._in_flight[number] = self.to_confirm.popleft()
            token = make_token(TO_CONFIRM, public_id, db.now())
            return load.post(f"/confirm/{token}", self.port, "")(number)
        if self.to_sign:
            person = self._in_flight[number] = self.to_sign.popleft()
            return self._sign(person)
        return None

    def answered(self, number: int, status: int) -> None:
        who = self._in_flight.pop(number)
        if isinstance(who, int) and status == 303:
            self.thanked[who] = 1
        elif isinstance(who, str) and status == 200:
            self.confirmed += 1
        else:
            self.failures += 1
            if isinstance(who, int):
                self.to_sign.append(who)
            else:
                self.to_confirm.append(who)

    def lost(self, stored: Iterable[str]) -> int:
        """How many acknowledged signatures are not among these addresses."""
        missing = bytearray(self.thanked)
        for address in stored:
            missing[load.number_of(address[1:9])] = 0
        return missing.count(1)
