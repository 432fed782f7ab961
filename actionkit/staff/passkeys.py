"""Passkeys: a key pair on a telephone, a computer or a stick, by py_webauthn (WebAuthn Level 2).

A passkey here proves two things at once, the device and its owner (a PIN, a finger or a face), so it
signs in alone, without an address to type. One that does not check its owner is not taken.
"""

from __future__ import annotations

import secrets
import time
from urllib.parse import urlsplit

import sqlalchemy as sa
import webauthn
from flask import current_app, request, session
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from actionkit import db
from actionkit.staff import audit, second_factor
from actionkit.staff.models import Passkey, StaffMember
from config import LOOPBACK_HOSTS

VALID_SECONDS = 600
MOST = 20
"""Passkeys of one account."""
LONGEST_ANSWER = 20_000

_CHALLENGE = "passkey-challenge"
_UNREADABLE = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError)


def _place() -> tuple[str, str]:
    """(the name that keys belong to, the origin that browsers report): those of BASE_URL.

    On one's own machine `localhost` as well, since a browser makes no keys for 127.0.0.1.
    """
    base = urlsplit(current_app.config["ACTIONKIT"].base_url)
    name = base.hostname or ""
    if name in LOOPBACK_HOSTS and urlsplit(f"//{request.host}").hostname == "localhost":
        return "localhost", f"{request.scheme}://{request.host}"
    return name, f"{base.scheme}://{base.netloc}"


def are_possible() -> bool:
    """Whether browsers make keys for the name under which we are asked: not for a bare address."""
    name, _origin = _place()
    return not name.replace(".", "").isdecimal() and ":" not in name


def _new_challenge(handle: str = "") -> bytes:
    challenge = secrets.token_bytes(32)
    session[_CHALLENGE] = [bytes_to_base64url(challenge), int(time.time()), handle]
    return challenge


def _taken_challenge() -> tuple[bytes, str] | None:
    """The challenge of this session and the handle that went with it, once; None when it is old."""
    challenge, made, handle = session.pop(_CHALLENGE, ("", 0, ""))
    if not 0 <= time.time() - made <= VALID_SECONDS:
        return None
    return base64url_to_bytes(challenge), handle


# ---------------------------------------------------------------- making one


def options_to_add(member: StaffMember) -> str:
    """JSON for the browser's `navigator.credentials.create`."""
    name, _origin = _place()
    # What authenticators call the account: the same for all its keys.
    handle = member.passkey_handle or db.new_public_id()
    options = webauthn.generate_registration_options(
        rp_id=name,
        rp_name="actionkit",
        user_name=member.email,
        user_id=handle.encode(),
        challenge=_new_challenge(handle),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(key.credential_id)) for key in member.passkeys
        ],
    )
    return webauthn.options_to_json(options)


def add(member: StaffMember, name: str, answer: str) -> bool:
    """Keep the key that the browser made; False for an answer that is not to our question."""
    asked = _taken_challenge()
    if asked is None or len(answer) > LONGEST_ANSWER or len(member.passkeys) >= MOST:
        return False
    challenge, handle = asked
    rp_id, origin = _place()
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            require_user_verification=True,
        )
    except _UNREADABLE:
        return False
    credential_id = bytes_to_base64url(made.credential_id)
    stored = db.insert(Passkey).values(
        public_id=db.new_public_id(),
        staff_member_id=member.id,
        name=name,
        credential_id=credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        created_at=db.now(),
    )
    if not db.session.execute(stored.on_conflict_do_nothing()).rowcount:  # type: ignore[attr-defined]
        return False
    member.passkey_handle = handle
    audit.record("add-passkey", member.email)
    db.session.flush()
    db.session.expire(member, ["passkeys"])
    return True


def remove(member: StaffMember, public_id: str) -> bool:
    mine = (Passkey.staff_member_id == member.id, Passkey.public_id == public_id)
    if not db.rows_changed(sa.delete(Passkey).where(*mine)):
        return False
    audit.record("remove-passkey", member.email)
    second_factor.forget_recovery_if_last(member)
    return True


# ---------------------------------------------------------------- signing in by one


def options_to_sign_in() -> str:
    """JSON for the browser's `navigator.credentials.get`: it offers its owner what it has for us."""
    name, _origin = _place()
    options = webauthn.generate_authentication_options(
        rp_id=name, challenge=_new_challenge(), user_verification=UserVerificationRequirement.REQUIRED
    )
    return webauthn.options_to_json(options)


def member_of(answer: str) -> StaffMember | None:
    """Whose key signed our question; None for a wrong or unreadable answer, or a closed account."""
    asked = _taken_challenge()
    if asked is None or len(answer) > LONGEST_ANSWER:
        return None
    challenge, _handle = asked
    rp_id, origin = _place()
    try:
        said = parse_authentication_credential_json(answer)
        key = db.session.scalar(sa.select(Passkey).where(Passkey.credential_id == bytes_to_base64url(said.raw_id)))
        if key is None:
            return None
        proven = webauthn.verify_authentication_response(
            credential=said,
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=origin,
            credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count,
            require_user_verification=True,
        )
    except _UNREADABLE:
        return None
    member = db.session.get_one(StaffMember, key.staff_member_id)
    if not member.active:
        return None
    key.sign_count, key.last_used_at = proven.new_sign_count, db.now()
    return member
