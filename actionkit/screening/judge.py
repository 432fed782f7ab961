"""Whether a signature may be counted once confirmed, or waits for a person first.

Over a limit or on a list means held, never refused: the page looks the same, and whoever is
stuffing a campaign learns nothing. Only a flood is told to slow down.
"""

from __future__ import annotations

from dataclasses import dataclass

from actionkit.campaigns.models import Campaign
from actionkit.screening import limits, lists, networks, proof
from actionkit.screening.disposable import is_disposable
from actionkit.screening.reasons import NO_PROOF, THROW_AWAY
from actionkit.security import client_address


@dataclass(frozen=True)
class Verdict:
    """`held_because` is "" where nothing speaks against it; `network` is under the key of the day."""

    held_because: str
    network: str


def judge(campaign: Campaign, address: str, proof_of_work: str = "") -> Verdict:
    """Look at one signature that is about to be stored, and count it against the limits.

    `address` is canonical. Raises `TooManyRequests` for a flood. What can be known without writing
    is looked up first; then one statement writes, in the transaction at hand (two, where the
    campaign asks for a proof of work).

    Of several reasons the one is named that tells staff most: their own list, the address, the
    proof, the number.
    """
    client = client_address()
    found = lists.current().look_up(client, address)
    given = proof.read(campaign, proof_of_work) if campaign.asks_proof else None
    network = networks.name_of(client)
    over_limit = limits.held_because(campaign.id, network)
    is_proven = not campaign.asks_proof or (given is not None and proof.use(given))
    if found.is_allowed:
        return Verdict("", network)
    held_because = (
        found.held_because
        or (THROW_AWAY if is_disposable(address.rpartition("@")[2]) else "")
        or (NO_PROOF if not is_proven else "")
        or over_limit
    )
    return Verdict(held_because, network)
