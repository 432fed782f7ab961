"""Codes of an authenticator app, and recovery codes for when it is lost.

The app's codes are TOTP (RFC 6238: six digits, half a minute, the one before and after are taken
as well), by Flask-Security's `Totp`. What the app knows is stored encrypted under a key made from
SECRET_KEY. A code works once. Ten wrong ones within an hour, from wherever, and no code of the
account is taken until the hour is over: who tries has its password already. A passkey still works.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import current_app
from flask_babel import gettext as _
from flask_security import UserMixin
from flask_security.totp import Totp
from passlib.exc import UsedTokenError  # type: ignore[import-untyped]
from passlib.totp import TOTP, AppWallet, TotpMatch  # type: ignore[import-untyped]

from actionkit import db
from actionkit.delivery import outbox
from actionkit.errors import ActionError
from actionkit.staff import audit, signed_in
from actionkit.staff.models import Passkey, RecoveryCode, StaffMember

WINDOW_SECONDS = 30
MOST_WRONG = 10
WRONG_COUNTED_FOR = dt.timedelta(hours=1)
RECOVERY_CODES = 10
FACTOR_RESET = "staff-factor-reset"
"""The kind of the mail that tells a member; its subject is the moment in seconds, so that each has its own."""

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no i, l, o, 0, 1
_RECOVERY_LENGTH = 16
"""Characters: 31 to the power of 16 is 79 bits."""
_SIX_DIGITS = re.compile(r"\d{6}", re.ASCII)


class TooManyWrongCodes(ActionError):
    """No code is taken now, a right one neither."""

    code = 429


# ---------------------------------------------------------------- the app's codes


class _Codes(Totp):
    """Flask-Security's, with keys that can be changed, and codes that work once."""

    def __init__(self) -> None:
        keys = [current_app.config["SECRET_KEY"], *current_app.config["SECRET_KEY_FALLBACKS"]]
        wallet = AppWallet({_tag(key): _derived(key) for key in keys}, default_tag=_tag(keys[0]), encrypt_cost=10)
        host = urlsplit(current_app.config["ACTIONKIT"].base_url).hostname or "localhost"
        self._totp = TOTP.using(issuer=f"actionkit {host}".replace(":", "."), wallet=wallet)

    def get_last_counter(self, user: UserMixin) -> int | None:
        assert isinstance(user, StaffMember)
        return user.totp_last_counter

    def set_last_counter(self, user: UserMixin, tmatch: TotpMatch) -> None:
        assert isinstance(user, StaffMember)
        is_later = sa.or_(StaffMember.totp_last_counter.is_(None), StaffMember.totp_last_counter < tmatch.counter)
        used = sa.update(StaffMember).where(StaffMember.id == user.id, is_later)
        if not db.rows_changed(used.values(totp_last_counter=tmatch.counter)):
            raise UsedTokenError  # another request was quicker with the same code
        db.session.expire(user, ["totp_last_counter"])


def _derived(key: str) -> str:
    return hmac.new(key.encode(), b"actionkit.totp", hashlib.sha256).hexdigest()


def _tag(key: str) -> str:
    """A name of the key that tells nothing of it: 16 bits are enough to tell a few apart."""
    return hashlib.sha256(_derived(key).encode()).hexdigest()[:4]


def new_secret() -> str:
    """What an app is to know, encrypted: for the session, until a code shows that the app knows it."""
    return str(_Codes().generate_totp_secret())


def how_to_set_up(member: StaffMember, secret: str) -> dict[str, str]:
    """`image` (a data: URL of a QR code), and `key` to type in its place."""
    return dict(_Codes().fetch_setup_values(secret, member))


def set_up(member: StaffMember, secret: str, code: str) -> bool:
    """Keep the secret, when the code shows that the app has it; False for a wrong code."""
    if not _is_code(member, secret, code):
        return False
    member.totp_secret = secret
    _forget_wrong(member)
    audit.record("set-up-codes", member.email)
    db.session.flush()
    return True


def remove_codes(member: StaffMember) -> None:
    """Forget the app; recovery codes go with the last second factor."""
    if member.totp_secret is not None:
        member.totp_secret = member.totp_last_counter = None
        audit.record("remove-codes", member.email)
        forget_recovery_if_last(member)


def _is_code(member: StaffMember, secret: str, code: str) -> bool:
    digits = re.sub(r"\s", "", code)
    if not _SIX_DIGITS.fullmatch(digits):
        return False
    try:
        return bool(_Codes().verify_totp(digits, secret, member, window=WINDOW_SECONDS))
    except (ValueError, KeyError):  # encrypted under a key that we no longer have
        return False


# ---------------------------------------------------------------- a code at sign-in


def check(member: StaffMember, code: str) -> str:
    """What the code is: "code" of the app, "recovery-code", or "" for a wrong one, which is counted.

    Raises `TooManyWrongCodes`.
    """
    if has_too_many_wrong(member):
        raise TooManyWrongCodes(
            _("There were too many wrong codes. Please wait an hour, use a passkey, or ask an administrator.")
        )
    if member.totp_secret and _is_code(member, member.totp_secret, code):
        _forget_wrong(member)
        return "code"
    if use_recovery_code(member, code):
        _forget_wrong(member)
        return "recovery-code"
    _count_wrong(member)
    return ""


def has_too_many_wrong(member: StaffMember) -> bool:
    since = member.wrong_codes_since
    return member.wrong_codes >= MOST_WRONG and since is not None and db.now() - since < WRONG_COUNTED_FOR


def _count_wrong(member: StaffMember) -> None:
    # In one statement: of many tries at once each counts.
    is_new = sa.or_(
        StaffMember.wrong_codes_since.is_(None), StaffMember.wrong_codes_since < db.now() - WRONG_COUNTED_FOR
    )
    db.rows_changed(
        sa.update(StaffMember)
        .where(StaffMember.id == member.id)
        .values(
            wrong_codes=sa.case((is_new, 1), else_=StaffMember.wrong_codes + 1),
            wrong_codes_since=sa.case((is_new, db.now()), else_=StaffMember.wrong_codes_since),
        )
    )
    db.session.expire(member, ["wrong_codes", "wrong_codes_since"])
    if member.wrong_codes == MOST_WRONG:
        audit.record("too-many-wrong-codes", member.email)


def _forget_wrong(member: StaffMember) -> None:
    member.wrong_codes, member.wrong_codes_since = 0, None


# ---------------------------------------------------------------- recovery codes


def new_recovery_codes(member: StaffMember) -> list[str]:
    """Ten new ones in place of all before. This is the only time that they can be read."""
    db.rows_changed(sa.delete(RecoveryCode).where(RecoveryCode.staff_member_id == member.id))
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)]
    db.session.add_all(
        RecoveryCode(staff_member_id=member.id, code_hash=_hash(code), created_at=db.now()) for code in codes
    )
    audit.record("new-recovery-codes", member.email)
    return ["-".join(code[at : at + 4] for at in range(0, _RECOVERY_LENGTH, 4)) for code in codes]


def use_recovery_code(member: StaffMember, code: str) -> bool:
    """Use one up; of two requests with the same one wins."""
    plain = re.sub(r"[\s-]", "", code).lower()
    if len(plain) != _RECOVERY_LENGTH:
        return False
    unused = (RecoveryCode.staff_member_id == member.id, RecoveryCode.used_at.is_(None))
    used = sa.update(RecoveryCode).where(*unused, RecoveryCode.code_hash == _hash(plain)).values(used_at=db.now())
    if not db.rows_changed(used):
        return False
    audit.record("use-recovery-code", member.email, left=recovery_codes_left(member))
    return True


def recovery_codes_left(member: StaffMember) -> int:
    unused = (RecoveryCode.staff_member_id == member.id, RecoveryCode.used_at.is_(None))
    return db.session.execute(sa.select(sa.func.count()).select_from(RecoveryCode).where(*unused)).scalar_one()


def forget_recovery_if_last(member: StaffMember) -> None:
    """Recovery codes stand in for a second factor: without one they open nothing."""
    db.session.flush()
    db.session.expire(member, ["passkeys"])
    if not member.has_second_factor:
        db.rows_changed(sa.delete(RecoveryCode).where(RecoveryCode.staff_member_id == member.id))


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


# ---------------------------------------------------------------- by an administrator


def reset(member: StaffMember) -> None:
    """Take every second factor away, end all sessions, and tell the member by mail."""
    member.totp_secret = member.totp_last_counter = None
    db.rows_changed(sa.delete(Passkey).where(Passkey.staff_member_id == member.id))
    forget_recovery_if_last(member)
    _forget_wrong(member)
    signed_in.end_all(member)
    audit.record("reset-second-factor", member.email)
    outbox.put(FACTOR_RESET, int(db.now().timestamp()), [f"staff:{member.id}"])
