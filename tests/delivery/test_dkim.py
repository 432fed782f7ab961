"""What arrives carries a signature that others believe, over the bytes as they arrived."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from types import SimpleNamespace

import dkim as dkimpy
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flask import Flask

from actionkit.delivery import dkim, relay
from actionkit.delivery.models import State
from actionkit.delivery.renderers import Item, Mail
from actionkit.delivery.worker import Worker
from config import Config
from tests.conftest import SECRET, MakeApp
from tests.delivery.conftest import Ledger
from tests.sink import Received, Sink

pytestmark = pytest.mark.one_database

HEADERS = {"List-Unsubscribe": "<https://act.example/u/1>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
REPLIES = {"plain": ("Ann", "ann@example.org"), "beyond ASCII": ("Zoë", "zoë@bücher.example")}


class _VerifyKey:
    """PyNaCl, which dkimpy wants to verify Ed25519 and which is not here, by what is."""

    def __init__(self, key: bytes, encoder: object = None) -> None:
        import base64

        self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key))

    def verify(self, message: bytes, signature: bytes) -> None:
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            raise ValueError from None


def _signing(make_app: MakeApp, sink: Sink, folder: Path, *, is_ed25519: bool = False) -> tuple[Flask, dkim.Record]:
    file = folder / "dkim.pem"
    key = dkim.make_key(file, is_ed25519=is_ed25519)
    app = make_app(
        mail_server="127.0.0.1",
        mail_port=str(sink.port),
        mail_default_sender="Us <us@sender.example>",
        dkim_domain="sender.example",
        dkim_selector="s1",
        dkim_key_file=str(file),
    )
    return app, dkim.record_of(key, "sender.example", "s1")


def _believed(raw: bytes, record: dkim.Record) -> bool:
    def answer(name: bytes, timeout: float = 5) -> str:
        assert name.decode() == f"{record.name}."
        return record.text

    return bool(dkimpy.verify(raw, dnsfunc=answer))


def _worker(reply_to: tuple[str, str]) -> Worker:
    def mail(item: Item) -> Mail:
        text = ".\nGrüße, and a line that is so long that it has to be broken when it is written as it is here\n\n\n"
        return Mail(("The Minister", item.recipient_key), "Wäter", text, "en", reply_to=reply_to, headers=HEADERS)

    return Worker({"test": mail})


@pytest.mark.parametrize("is_ed25519", [False, True])
@pytest.mark.parametrize("reply_to", REPLIES.values(), ids=REPLIES)
def test_what_arrives_is_believed_and_what_was_changed_is_not(
    make_app: MakeApp,
    sink: Sink,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_ed25519: bool,
    reply_to: tuple[str, str],
) -> None:
    nacl = SimpleNamespace(
        signing=SimpleNamespace(VerifyKey=_VerifyKey),
        encoding=SimpleNamespace(Base64Encoder=None),
        exceptions=SimpleNamespace(BadSignatureError=ValueError),
    )
    monkeypatch.setattr(dkimpy, "nacl", nacl, raising=False)
    app, record = _signing(make_app, sink, tmp_path, is_ed25519=is_ed25519)
    ledger, worker = Ledger(app), _worker(reply_to)
    ledger.put("minister@government.example")
    ledger.deliver(worker)
    worker.close()
    assert ledger.states() == [State.SENT]
    raw = sink.received[0].raw
    assert _believed(raw, record)
    assert not _believed(raw.replace(b"Minister", b"President"), record)
    assert not _believed(raw.replace(b"broken", b"bro ken"), record)
    assert not _believed(raw.replace(b"/u/1", b"/u/2"), record), "one click must lead where we said"
    added = raw.replace(b"From: ", b"From: x@evil.example\r\nFrom: ", 1)
    assert not _believed(added, record), "nobody adds a second sender"
    named = re.search(rb" h=([^;]+);", raw.replace(b"\r\n", b""))
    assert named is not None
    assert {b"from", b"list-unsubscribe", b"list-unsubscribe-post"} <= set(re.sub(rb"\s", b"", named[1]).split(b":"))
    assert _lines_are_short(sink.received[0])


def _lines_are_short(mail: Received) -> bool:
    return all(len(line) <= 200 for line in mail.raw.split(b"\r\n\r\n")[0].split(b"\r\n"))


def test_a_key_that_is_gone_is_our_trouble_and_is_told(make_app: MakeApp, sink: Sink, tmp_path: Path) -> None:
    app, record = _signing(make_app, sink, tmp_path)
    ledger, worker = Ledger(app), _worker(REPLIES["plain"])
    ledger.deliver(worker)
    ledger.put(*[f"p{n}@example.org" for n in range(5)])
    file = tmp_path / "dkim.pem"
    file.rename(tmp_path / "away.pem")
    ledger.deliver(worker)
    ledger.deliver(worker)
    assert ledger.states() == [State.QUEUED] * 5
    assert {row.attempts for row in ledger.rows()} == {0}
    assert sink.connections == 0, "nothing leaves unsigned"
    with app.app_context():
        trouble = relay.stops_sending()
    assert trouble is not None
    assert (trouble.step, trouble.faults) == ("sign", 1)
    assert (
        "mails cannot be signed at sign: the DKIM key cannot be read"
        in app.test_cli_runner().invoke(args=["doctor"]).output
    )
    (tmp_path / "away.pem").rename(file)
    ledger.try_now()
    ledger.deliver(worker)
    worker.close()
    assert ledger.states() == [State.SENT] * 5
    assert all(_believed(mail.raw, record) for mail in sink.received)


def _faults(folder: Path, **settings: str) -> list[str]:
    environ = {"MODE": "production", "SECRET_KEY": SECRET, "BASE_URL": "https://act.example", "INSTANCE": str(folder)}
    environ |= {"MAIL_DEFAULT_SENDER": "us@sender.example", "DKIM_DOMAIN": "sender.example", "DKIM_SELECTOR": "s1"}
    return Config.from_env({f"ACTIONKIT_{name}": value for name, value in (environ | settings).items()}).unsafe()


def test_production_refuses_a_key_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "dkim.pem"
    assert _faults(tmp_path) == ["ACTIONKIT_DKIM_DOMAIN, _SELECTOR and _KEY_FILE go together: set all of them or none"]
    (fault,) = _faults(tmp_path, DKIM_KEY_FILE=str(file))
    assert "cannot be read" in fault
    file.write_text("no key")
    file.chmod(0o600)
    assert "no private key" in _faults(tmp_path, DKIM_KEY_FILE=str(file))[0]
    short = rsa.generate_private_key(65537, 1024).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(short)
    assert "1024 bits" in _faults(tmp_path, DKIM_KEY_FILE=str(file))[0]
    file.unlink()
    dkim.make_key(file)
    assert _faults(tmp_path, DKIM_KEY_FILE=str(file)) == []
    file.chmod(0o644)
    assert "every user" in _faults(tmp_path, DKIM_KEY_FILE=str(file))[0]


def test_the_command_makes_a_key_once_and_says_what_to_publish(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "new.pem"
    words = ["dkim", "key", str(file), "--domain", "sender.example"]
    said = app.test_cli_runner().invoke(args=words)
    assert said.exit_code == 0
    assert said.output.startswith('actionkit._domainkey.sender.example. IN TXT ( "v=DKIM1; k=rsa; p=MIIB')
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    again = app.test_cli_runner().invoke(args=words)
    assert again.exit_code == 1
    assert "File exists" in again.output
    assert file.read_bytes() == before
