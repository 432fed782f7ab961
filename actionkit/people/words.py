"""What each action of the audit trail is called, in the past tense, as the page says it after a name.

An action that has no words here is shown by its own name; a test finds it.
"""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _

ACTIONS: dict[str, Any] = {
    # accounts
    "sign-in": _("signed in"),
    "sign-out": _("signed out"),
    "end-session": _("ended a session"),
    "end-sessions": _("ended all sessions of an account"),
    "add-staff": _("gave a role"),
    "revoke": _("took a role away"),
    "deactivate-staff": _("closed an account"),
    "reactivate-staff": _("opened a closed account again"),
    "invite-staff": _("invited somebody"),
    "invite-staff-again": _("sent an invitation again"),
    "revoke-invitation": _("took an invitation back"),
    "accept-invitation": _("accepted an invitation"),
    "ask-for-reset": _("asked for a link to set a new password"),
    "set-password": _("set a password"),
    "set-up-codes": _("set up codes of an app"),
    "remove-codes": _("removed the codes of an app"),
    "add-passkey": _("added a passkey"),
    "remove-passkey": _("removed a passkey"),
    "new-recovery-codes": _("made new recovery codes"),
    "use-recovery-code": _("used a recovery code"),
    "too-many-wrong-codes": _("entered too many wrong codes"),
    "reset-second-factor": _("took away somebody's second factor"),
    "export-audit": _("exported the audit trail"),
    # signatures
    "release-signature": _("released a held signature"),
    "refuse-signature": _("took a held signature out"),
    "put-back-signature": _("put a signature back"),
    "export-signatures": _("exported signatures"),
    "count-removal": _("counted what a rule would take out"),
    "start-removal": _("began to take signatures out by a rule"),
    "cancel-removal": _("stopped a removal"),
    "undo-removal": _("began to put back what a removal took out"),
    "removal-done": _("took signatures out by a rule"),
    "removal-undone": _("put back what a removal took out"),
    "see-alerts": _("marked alerts as seen"),
    "erase-person": _("erased a person"),
    "erase-person-again": _("erased a person again, after a restore"),
    "export-letters": _("exported letters and their states"),
    "export-asked-for": _("asked for a file"),
    "export-made": _("made a file that was asked for"),
    "download-export": _("took a file out"),
    "export-letters-sent": _("sent the exported letters to their last row"),
    "export-signatures-sent": _("sent the exported signatures to their last row"),
    "cancel-export": _("stopped the making of a file"),
    "delete-export": _("deleted a file"),
    "upload-import": _("sent in a file of signatures"),
    "check-import": _("had a file of signatures checked"),
    "start-import": _("began to import signatures"),
    "cancel-import": _("stopped an import of signatures"),
    "undo-import": _("began to take imported signatures back"),
    "discard-import": _("threw a file of signatures away"),
    "import-done": _("imported signatures"),
    "import-stopped": _("stopped importing signatures"),
    "import-undone": _("took imported signatures back"),
    # campaigns, programs and their pages
    "create-campaign": _("made a campaign"),
    "edit-campaign": _("edited a campaign"),
    "restore-campaign": _("put an older version of a campaign back"),
    "publish-campaign": _("published a campaign"),
    "unpublish-campaign": _("made a campaign a draft again"),
    "close-campaign": _("closed a campaign"),
    "reopen-campaign": _("opened a campaign again"),
    "archive-campaign": _("archived a campaign"),
    "unarchive-campaign": _("took a campaign back from the archive"),
    "pause-signing": _("paused signing"),
    "resume-signing": _("let people sign again"),
    "create-program": _("made a program"),
    "edit-program": _("edited a program"),
    "restore-program": _("put an older version of a program back"),
    "delete-program": _("deleted a program"),
    "create-update": _("wrote an update"),
    "edit-update": _("edited an update"),
    "restore-update": _("put an older version of an update back"),
    "delete-update": _("deleted an update"),
    "create-story": _("wrote a story"),
    "edit-story": _("edited a story"),
    "restore-story": _("put an older version of a story back"),
    "delete-story": _("deleted a story"),
    "create-resource": _("added a resource"),
    "edit-resource": _("edited a resource"),
    "restore-resource": _("put an older version of a resource back"),
    "delete-resource": _("deleted a resource"),
    # officials
    "add-official": _("added an official"),
    "edit-official": _("edited an official"),
    "delete-official": _("deleted an official"),
    "retire-official": _("retired an official"),
    "restore-official": _("took an official back into use"),
    "seat-official": _("had a campaign write to an official"),
    "unseat-official": _("had a campaign no longer write to an official"),
    "add-official-address": _("added an official's address"),
    "use-official-address": _("changed the address that an official is written to"),
    "forget-official-address": _("forgot an official's address"),
    "import-officials": _("imported officials"),
    "undo-import-officials": _("took an import of officials back"),
    "export-officials": _("exported officials"),
    # letters and delivery
    "send-letter-again": _("had a letter sent again"),
    "letter-arrived": _("noted that a letter arrived"),
    "letter-give-up": _("gave a letter up"),
    "pause-letters": _("paused letters"),
    "resume-letters": _("let letters leave again"),
    "stop-letters": _("cancelled letters"),
    "undo-stop-letters": _("queued cancelled letters again"),
    "set-pace": _("changed the pace of letters"),
    "rehearse-letters": _("had letters sent to themselves"),
    "print-letter": _("took a letter out as PDF"),
    "print-letters": _("took letters out as PDF"),
    "official-address": _("changed an official's address"),
    "try-relay-now": _("had the mail server tried at once"),
    "pause-sending": _("paused all sending"),
    "resume-sending": _("let mails leave again"),
    "incoming-mail-bounced": _("decided that a mail reports a failed delivery"),
    "incoming-mail-ignored": _("set an incoming mail aside"),
    # screening and review
    "add-screening-rule": _("added a rule of screening"),
    "remove-screening-rule": _("removed a rule of screening"),
    "proof-on": _("switched the proof of work on"),
    "proof-off": _("switched the proof of work off"),
    "save-provider": _("changed what a mail provider ignores"),
    "remove-provider": _("removed a mail provider"),
}

NOT_OF_A_CAMPAIGN = frozenset(
    {
        *("sign-in", "sign-out", "end-session", "end-sessions", "add-staff", "revoke", "deactivate-staff"),
        *("reactivate-staff", "invite-staff", "invite-staff-again", "revoke-invitation", "accept-invitation"),
        *("ask-for-reset", "set-password", "set-up-codes", "remove-codes", "add-passkey", "remove-passkey"),
        *("new-recovery-codes", "use-recovery-code", "too-many-wrong-codes", "reset-second-factor", "export-audit"),
        *("erase-person", "erase-person-again", "official-address", "try-relay-now", "pause-sending"),
        *("resume-sending", "incoming-mail-bounced", "incoming-mail-ignored", "add-screening-rule"),
        *("remove-screening-rule", "save-provider", "remove-provider", "create-program", "edit-program"),
        *("restore-program", "delete-program", "add-official", "edit-official", "delete-official"),
        *("retire-official", "restore-official", "add-official-address", "use-official-address"),
        *("forget-official-address", "import-officials", "undo-import-officials", "export-officials"),
    }
)
"""Actions whose subject is no campaign, though one may by chance be called the same."""

_DETAILS: dict[str, Any] = {
    "role": _("role"),
    "by": _("by"),
    "state": _("state"),
    "was": _("was"),
    "letters": _("letters"),
    "signatures": _("signatures"),
    "counted": _("counted"),
    "removed": _("taken out"),
    "restored": _("put back"),
    "rows": _("rows"),
    "campaigns": _("campaigns"),
    "until": _("until"),
    "since": _("since"),
}


def of_action(action: str) -> str:
    """The words for an action, or its own name."""
    return str(ACTIONS.get(action, action))


def of_detail(detail: dict[str, Any]) -> list[tuple[str, str]]:
    """What else an entry says, as (name, value); what is empty is left out."""
    return [
        (str(_DETAILS.get(name, name.replace("_", " "))), _value(value))
        for name, value in detail.items()
        if value not in (None, "", [], {})
    ]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
