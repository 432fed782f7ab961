"""Whether a signature may be counted once confirmed, or waits for a person first.

Over a limit or on a list means held, never refused: the page looks the same, and whoever is
stuffing a campaign learns nothing. Only a flood is told to slow down.
"""

from __future__ import annotations

from dataclasses import dataclass

from actionkit.screening import limits


@dataclass(frozen=True)
class Verdict:
    """`held_because` is "" where nothing speaks against it; `network` is under the key of the day."""

    held_because: str
    network: str


def judge(campaign_id: int, address: str) -> Verdict:
    """Look at one signature that is about to be stored, and count it against the limits.

    `address` is canonical. Raises `TooManyRequests` for a flood. Writes in the transaction at hand.
    """
    network = limits.network_of_client()
    return Verdict(limits.held_because(campaign_id, network), network)
