"""Every fault of the rig by its number; a further group is a module and its lines here."""

from __future__ import annotations

from tests.faults import (
    brokers,
    clock,
    databases,
    imports,
    kills,
    letters,
    links,
    network,
    relays,
    repeats,
    reports,
    sending,
    upkeep,
)
from tests.faults.rig import POSTGRESQL, SQLITE, Fault

BOTH = (SQLITE, POSTGRESQL)

FAULTS: dict[str, Fault] = {
    "F01": Fault(kills.web_worker, BOTH),
    "F02": Fault(kills.whole_service, BOTH),
    "F03": Fault(sending.worker_killed),
    "F05": Fault(sending.worker_stopped),
    "F06": Fault(relays.port_closed, BOTH),
    "F07": Fault(relays.relay_busy),
    "F08": Fault(letters.greylisted),
    "F09": Fault(letters.no_such_address, BOTH),
    "F10": Fault(relays.set_up_wrongly),
    "F11": Fault(relays.put_off_after_dot),
    "F12": Fault(letters.taken_for_spam),
    "F13": Fault(relays.dropped_before_dot),
    "F14": Fault(sending.dropped_after_dot),
    "F15": Fault(letters.tarpit, BOTH),
    "F16": Fault(letters.one_of_five),
    "F17": Fault(relays.lacking),
    "F18": Fault(databases.restarted, (POSTGRESQL, SQLITE)),
    "F19": Fault(databases.paused, (POSTGRESQL,)),
    "F20": Fault(databases.crowded),
    "F21": Fault(databases.disk_full),
    "F22": Fault(clock.leaps),
    "F23": Fault(sending.competition),
    "F24": Fault(repeats.double_click, BOTH),
    "F25": Fault(repeats.same_person, BOTH),
    "F26": Fault(links.scanned),
    "F27": Fault(repeats.confirm_twice, BOTH),
    "F28": Fault(links.too_late),
    "F29": Fault(brokers.emptied, (POSTGRESQL,), needs=("rabbitmq-server", "redis-server")),
    "F31": Fault(imports.officials, BOTH),
    "F32": Fault(upkeep.upgrade, BOTH),
    "F33": Fault(upkeep.backup, BOTH),
    "F34": Fault(network.no_names),
    "F35": Fault(reports.bounces, BOTH),
    "F36": Fault(letters.poison),
    "F37": Fault(network.slow_clients),
    "F38": Fault(letters.withdrawn_meanwhile, BOTH),
    "F39": Fault(links.key_rotated),
    "F40": Fault(letters.two_schedulers, BOTH),
    "F40-beats": Fault(brokers.two_beats, (POSTGRESQL, SQLITE), needs=("redis-server",)),
}
