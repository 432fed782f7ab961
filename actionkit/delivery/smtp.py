"""The only place that talks SMTP.

Flask-Mail builds messages and keeps a connection open, but sets no time limit, does not check
certificates at STARTTLS, and does not say at which step of the conversation an error came.
The step is what decides: see `worker.judge`.
"""

from __future__ import annotations

import io
import re
import select
import smtplib
import socket
import ssl
import threading
import time
from enum import StrEnum
from typing import Any

import flask_mail
from flask import current_app

from actionkit.delivery import dkim
from actionkit.delivery.messages import OutgoingMessage
from actionkit.delivery.remarks import without_addresses
from config import Config

CONNECT_SECONDS = 10
COMMAND_SECONDS = 60
FINAL_DOT_SECONDS = 600
"""RFC 5321 4.5.3.2.6: a short wait after the final dot makes twins (RFC 1047)."""
IDLE_SECONDS = 20
"""A kept connection that was idle longer is opened anew; relays close them without a word."""
MOST_MAILS = 500
"""Mails on one connection; many relays allow some hundreds."""
_AT_LINE_START = re.compile(rb"(?m)^\.")


class Step(StrEnum):
    """Where in the conversation it was (RFC 5321), or, to begin with, that it was not even begun."""

    SIGN = "sign"
    CONNECT = "connect"
    GREETING = "greeting"
    TLS = "tls"
    LOGIN = "login"
    MAIL = "mail-from"
    RCPT = "rcpt-to"
    DATA = "data"
    FINAL_DOT = "final-dot"


class SendError(Exception):
    """A try that ended without a 250. `code` is 0 where the relay said nothing.

    `answer` is what the relay said, with addresses taken out.
    """

    def __init__(self, step: Step, code: int, answer: str) -> None:
        super().__init__(f"{step} {code}")
        self.step = step
        self.code = code
        self.answer = answer


class NotSupported(SendError):
    """The relay lacks an extension without which this message cannot be sent."""


class _Trickle(io.RawIOBase):
    """What a socket receives until a moment: time limits of sockets are for each packet alone."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no whole answer in time")
        usual = self._sock.gettimeout()
        self._sock.settimeout(left)
        try:
            return self._sock.recv_into(buffer)
        finally:
            self._sock.settimeout(usual)


class _Conversation:
    """Mixed into smtplib's classes: keeps the step, and sends the final dot apart."""

    step: Step = Step.CONNECT
    sock: socket.socket | None
    file: Any
    patience: float = COMMAND_SECONDS

    def getreply(self) -> tuple[int, bytes]:
        """One whole answer, however slowly it trickles in, within `patience` seconds; then it is no answer."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Trickle(self.sock))
        if isinstance(self.file, io.BufferedReader) and isinstance(self.file.raw, _Trickle):
            self.file.raw.deadline = time.monotonic() + self.patience
        return super().getreply()  # type: ignore[misc]

    def mail(self, sender: str, options: Any = ()) -> Any:
        self.step = Step.MAIL
        return super().mail(sender, options)  # type: ignore[misc]

    def rcpt(self, recipient: str, options: Any = ()) -> Any:
        self.step = Step.RCPT
        return super().rcpt(recipient, options)  # type: ignore[misc]

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send the message, which ends with CRLF; everything up to the final dot can be repeated without harm.

        The dot goes last and alone, after a look whether the relay is still there: so a
        connection that broke earlier is known to have broken before it.
        """
        self.step = Step.DATA
        raw = _AT_LINE_START.sub(b"..", msg)
        code, answer = self.docmd("data")  # type: ignore[attr-defined]
        if code != 354:
            raise smtplib.SMTPDataError(code, answer)
        self.send(raw)  # type: ignore[attr-defined]
        assert self.sock is not None
        if select.select([self.sock], [], [], 0)[0]:
            raise smtplib.SMTPServerDisconnected("the relay spoke or left before the final dot")
        self.step = Step.FINAL_DOT
        self.patience = FINAL_DOT_SECONDS
        try:
            self.send(b".\r\n")  # type: ignore[attr-defined]
            return self.getreply()
        finally:
            self.patience = COMMAND_SECONDS


class _SMTP(_Conversation, smtplib.SMTP):
    pass


class _SMTPOverTLS(_Conversation, smtplib.SMTP_SSL):
    pass


class Connection(flask_mail.Connection):
    """Flask-Mail's connection with time limits and checked certificates; opens when first used."""

    def __init__(self, mail: Any) -> None:
        super().__init__(mail)
        self.last_used = 0.0
        self.lock = threading.Lock()
        self.is_shut = False

    def configure_host(self) -> smtplib.SMTP:
        config: Config = current_app.config["ACTIONKIT"]
        step = Step.CONNECT
        host: Any = None
        try:
            if config.mail_use_ssl:
                host = _SMTPOverTLS(
                    config.mail_server, config.mail_port, timeout=CONNECT_SECONDS, context=_tls_context(config)
                )
            else:
                host = _SMTP(config.mail_server, config.mail_port, timeout=CONNECT_SECONDS)
            step = Step.GREETING
            host.sock.settimeout(COMMAND_SECONDS)
            # The final dot goes alone; Nagle's algorithm would hold it back 40 ms for an ACK.
            host.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            host.ehlo_or_helo_if_needed()
            if config.mail_use_tls:
                step = Step.TLS
                host.starttls(context=_tls_context(config))
                host.ehlo_or_helo_if_needed()
            if config.mail_username:
                step = Step.LOGIN
                host.login(config.mail_username, config.mail_password)
        except (smtplib.SMTPException, OSError) as error:
            if host is not None:
                host.close()
            elif isinstance(error, smtplib.SMTPException):
                step = Step.GREETING  # connected, and then refused or left
            elif isinstance(error, ssl.SSLError):
                step = Step.TLS
            raise _send_error(step, error) from None
        return host

    def open(self) -> None:
        """Have a conversation to go on with; a stale one is ended first. Raises `SendError`."""
        if self.host is not None and (
            time.monotonic() - self.last_used > IDLE_SECONDS or self.num_emails >= MOST_MAILS or not self._is_alive()
        ):
            self.close()
        if self.host is None:
            host = self.configure_host()
            with self.lock:
                self.host = host
            self.num_emails = 0
        self.last_used = time.monotonic()

    def _is_alive(self) -> bool:
        """Whether a kept connection is still there: a relay that has hung up can be read from."""
        sock = self.host.sock if self.host else None
        return sock is not None and not select.select([sock], [], [], 0)[0]

    def deliver(self, message: OutgoingMessage) -> str:
        """Hand over one message to its one recipient; the relay's 250 answer. Raises `SendError`.

        After any error the conversation is over: the next message gets a fresh one.
        """
        raw = message.as_bytes()
        try:
            raw = dkim.signed(raw if raw.endswith(b"\r\n") else raw + b"\r\n")
        except dkim.CannotSign as reason:
            raise SendError(Step.SIGN, 0, str(reason)) from None
        self.open()
        host: Any = self.host
        if message.needs_smtputf8 and not host.has_extn("smtputf8"):
            raise NotSupported(Step.RCPT, 0, "the relay does not take addresses beyond ASCII (SMTPUTF8)")
        if message.has_bad_headers():
            raise flask_mail.BadHeaderError
        try:
            host.ehlo_or_helo_if_needed()
            code, answer = host.mail(message.envelope_sender, message.mail_options)
            if code != 250:
                raise smtplib.SMTPSenderRefused(code, answer, "")
            code, answer = host.rcpt(message.recipient)
            if code not in (250, 251):
                raise smtplib.SMTPResponseException(code, answer)
            code, answer = host.data(raw)
            if not 200 <= code < 300:  # RFC 5321 4.2.1: any 2yz is a yes
                raise smtplib.SMTPDataError(code, answer)
        except (smtplib.SMTPException, OSError) as error:
            step = host.step
            self._end_after(error)
            raise _send_error(step, error) from None
        self.num_emails += 1
        self.last_used = time.monotonic()
        return f"{code} {without_addresses(answer)}"

    def _end_after(self, error: Exception) -> None:
        """Go on with a connection only where the relay has answered and still listens."""
        if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code != 421 and self.host:
            try:
                if self.host.rset()[0] == 250:
                    return
            except (smtplib.SMTPException, OSError):
                self.close()
                return
        self.close(politely=False)

    def close(self, politely: bool = True) -> None:
        with self.lock:
            host, self.host = self.host, None
        if host is None:
            return
        try:
            if politely:
                if host.sock:
                    host.sock.settimeout(2)
                host.quit()
        except (smtplib.SMTPException, OSError):
            politely = False
        finally:
            host.close()

    def cut(self) -> None:
        """From another thread: end whatever this connection waits for, now."""
        with self.lock:
            sock = self.host.sock if self.host else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it was closed a moment ago, which is what was wanted


def _tls_context(config: Config) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=config.mail_ca_file or None)


def _send_error(step: Step, error: Exception) -> SendError:
    if isinstance(error, smtplib.SMTPResponseException):
        return SendError(step, error.smtp_code, without_addresses(error.smtp_error))
    # The text of other errors may quote what we sent; their kind is enough.
    kind = error.__class__.__name__ if not isinstance(error, TimeoutError) else "no answer in time"
    return SendError(step, 0, kind)
