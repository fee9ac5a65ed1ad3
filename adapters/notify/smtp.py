"""Mail through a mail server, by the standard library. What the server says before it has the message is sure; when the
way breaks after that, nobody knows whether it took it.
"""

from __future__ import annotations

import smtplib
import ssl
from urllib.parse import unquote, urlsplit

from domain.errors import DeliveryUnknown, InvalidInput, NotDelivered
from domain.ports import Outgoing

__all__ = ["Smtp"]

SECONDS = 30.0
_GONE = frozenset((550, 551, 553))
"""Answers to RCPT that say that there is no such address (RFC 5321, 4.2.3)."""


class Smtp:
    """`domain.ports.Notifier` for mail.

    Args:
        url: `smtp://[user@]host[:587]` (STARTTLS, which must be had unless the host is this machine) or
            `smtps://[user@]host[:465]`.
        password: of the user; from the environment, never in the URL.
        context: certificates that are trusted; the system's by default.
    Raises:
        InvalidInput: the URL can't be one.
    """

    name = "smtp"

    def __init__(self, url: str, password: str | None = None, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.password is not None:
            raise InvalidInput("PHOTOVAULT_SMTP takes smtp://user@host:587 or smtps://user@host:465, no password in it")
        try:
            port = parts.port
        except ValueError as error:
            raise InvalidInput(f"PHOTOVAULT_SMTP: {error}") from error
        self._host = parts.hostname
        self._tls = parts.scheme == "smtps"
        self._port = port or (465 if self._tls else 587)
        self._user = unquote(parts.username) if parts.username else None
        self._password = password
        self._context = context
        if self._user and not password:
            raise InvalidInput("PHOTOVAULT_SMTP names a user: PHOTOVAULT_SMTP_PASSWORD holds the password")

    def send(self, message: Outgoing) -> str:
        """Hand one mail over, on a connection of its own."""
        try:
            server = self._connect()
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(_said(error.smtp_code, error.smtp_error), retryable=error.smtp_code < 500) from error
        except (OSError, smtplib.SMTPException) as error:
            raise NotDelivered(f"the mail server can't be reached: {error}", retryable=True) from error
        try:
            self._address(server, message)
            try:
                code, answer = server.data(message.body)
            except smtplib.SMTPDataError as error:  # it did not want to hear the message
                raise NotDelivered(_said(error.smtp_code, error.smtp_error), retryable=error.smtp_code < 500) from error
            except (OSError, smtplib.SMTPException) as error:
                raise DeliveryUnknown(f"the mail server was lost while it took the message: {error}") from error
            if code != 250:
                raise NotDelivered(_said(code, answer), retryable=code < 500)
            return answer.decode("utf-8", "replace")[:200]
        finally:
            server.close()

    def sent(self, message_id: str) -> bool | None:
        """A mail server can't be asked."""
        return None

    def _connect(self) -> smtplib.SMTP:
        context = self._context or ssl.create_default_context()
        if self._tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=SECONDS, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=SECONDS)
        try:
            server.ehlo()
            if not self._tls and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            elif not self._tls and (self._user or self._host not in ("localhost", "127.0.0.1", "::1")):
                raise smtplib.SMTPNotSupportedError("it offers no encryption (STARTTLS)")
            if self._user and self._password:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def _address(self, server: smtplib.SMTP, message: Outgoing) -> None:
        try:
            code, answer = server.mail(message.sender)
            if code != 250:
                raise NotDelivered(_said(code, answer), retryable=code < 500)
            code, answer = server.rcpt(message.to)
        except (OSError, smtplib.SMTPException) as error:
            raise NotDelivered(f"the mail server was lost: {error}", retryable=True) from error
        if code not in (250, 251):
            raise NotDelivered(_said(code, answer), retryable=code < 500, refused="bounce" if code in _GONE else None)


def _said(code: int, answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return f"the mail server says {code}: {' '.join(text.split())}"[:500]
