"""What every `Notifier` does: a message is taken whole, or it says that it surely was not, or that nobody can know.

`NotifierContract` is the suite; the classes at the end hold each adapter to it: a folder, a mail server on this machine
(aiosmtpd), and SES and SNS as moto plays them.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sesv2.models import sesv2_backends
from moto.sns.models import sns_backends

from adapters.aws.connection import Aws
from adapters.aws.notify import Ses, Sns
from adapters.notify.outbox import Outbox
from adapters.notify.smtp import Smtp
from domain.errors import DeliveryUnknown, InvalidInput, NotDelivered
from domain.ports import Notifier, Outgoing

REGION = "us-east-1"
SENDER = "vault@photos.example"
MAIL = (
    b"From: vault@photos.example\r\nTo: boris@example.org\r\nSubject: Pictures\r\nMessage-ID: <m1@photos.example>\r\n"
    b"\r\nSee https://photos.example/s/x\r\n.\r\n..two dots\r\n"
)


def a_mail(ident: str = "<m1@photos.example>") -> Outgoing:
    return Outgoing(ident, "email", SENDER, "boris@example.org", MAIL)


def a_text(ident: str = "<m1@photos.example>") -> Outgoing:
    return Outgoing(ident, "sms", SENDER, "+12065550100", "Pictures: https://photos.example/s/x é".encode())


class NotifierContract:
    """Subclasses give `notifier`, `message`, and `taken`: the bodies that the other side has."""

    @pytest.fixture
    def notifier(self) -> Notifier:
        raise NotImplementedError

    @pytest.fixture
    def message(self) -> Outgoing:
        return a_mail()

    @pytest.fixture
    def taken(self) -> Callable[[], list[bytes]]:
        raise NotImplementedError

    @pytest.fixture
    def broken(self, notifier: Notifier, monkeypatch: pytest.MonkeyPatch) -> Notifier:
        """One that does not reach the other side."""
        raise NotImplementedError

    def test_the_other_side_has_the_message_as_it_was(
        self, notifier: Notifier, message: Outgoing, taken: Callable[[], list[bytes]]
    ) -> None:
        named = notifier.send(message)
        assert isinstance(named, str)
        assert [body.replace(b"\r\n", b"\n").rstrip() for body in taken()] == [
            message.body.replace(b"\r\n", b"\n").rstrip()
        ]

    def test_it_has_a_name_for_the_history(self, notifier: Notifier) -> None:
        assert notifier.name in ("outbox", "smtp", "ses", "sns")

    def test_what_is_not_taken_is_surely_not_sent(
        self, broken: Notifier, message: Outgoing, taken: Callable[[], list[bytes]]
    ) -> None:
        with pytest.raises(NotDelivered) as error:
            broken.send(message)
        assert error.value.retryable
        assert taken() == []

    def test_it_knows_what_was_sent_or_says_that_nobody_can(self, notifier: Notifier, message: Outgoing) -> None:
        before = notifier.sent(message.message_id)
        notifier.send(message)
        assert (before, notifier.sent(message.message_id)) in ((False, True), (None, None))


class TestOutbox(NotifierContract):
    @pytest.fixture
    def notifier(self, tmp_path: Path) -> Notifier:
        return Outbox(tmp_path / "outbox")

    @pytest.fixture
    def taken(self, tmp_path: Path) -> Callable[[], list[bytes]]:
        return lambda: [path.read_bytes() for path in sorted((tmp_path / "outbox").glob("*.eml"))]

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Notifier:
        (tmp_path / "file").write_text("not a folder")
        return Outbox(tmp_path / "file")

    def test_the_same_message_again_is_the_same_file(self, notifier: Notifier, tmp_path: Path) -> None:
        names = {notifier.send(a_mail()) for _ in range(3)}
        assert [path.name for path in (tmp_path / "outbox").iterdir()] == list(names)

    @pytest.mark.parametrize(
        "ident", ["<../../x@y>", "<.hidden@y>", "</etc/passwd@y>", "<a\0b@y>", "<" + "x" * 500 + "@y>"]
    )
    def test_a_name_never_leaves_the_folder(self, notifier: Notifier, tmp_path: Path, ident: str) -> None:
        name = notifier.send(a_mail(ident))
        assert (tmp_path / "outbox" / name).is_file()
        assert "/" not in name
        assert not name.startswith(".")
        assert notifier.sent(ident)

    def test_a_text_message_says_whom_it_is_for(self, notifier: Notifier, tmp_path: Path) -> None:
        name = notifier.send(a_text())
        assert (tmp_path / "outbox" / name).read_text(encoding="utf-8").startswith("To: +12065550100\n\nPictures")


class Kept:
    """What aiosmtpd calls; keeps what came, and answers as it was told."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.answers: dict[str, str] = {}
        self.hang_up = False

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        answer = self.answers.get("rcpt", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        if self.hang_up:
            self.bodies.append(envelope.content)
            server.transport.abort()
            await asyncio.sleep(0)
            return "250 OK"
        answer = self.answers.get("data", "250 queued as 1")
        if answer.startswith("250"):
            self.bodies.append(envelope.content)
        return answer


class TestSmtp(NotifierContract):
    @pytest.fixture
    def kept(self) -> Kept:
        return Kept()

    @pytest.fixture
    def server(self, kept: Kept) -> Iterator[Controller]:
        controller = Controller(kept, hostname="127.0.0.1", port=_free_port())
        controller.start()
        yield controller
        controller.stop()

    @pytest.fixture
    def notifier(self, server: Controller) -> Notifier:
        return Smtp(f"smtp://127.0.0.1:{server.port}")

    @pytest.fixture
    def taken(self, kept: Kept) -> Callable[[], list[bytes]]:
        return lambda: kept.bodies

    @pytest.fixture
    def broken(self) -> Notifier:
        return Smtp(f"smtp://127.0.0.1:{_free_port()}")

    @pytest.mark.parametrize(
        ("where", "answer", "retryable", "refused"),
        [
            ("rcpt", "550 5.1.1 no such user", False, "bounce"),
            ("rcpt", "450 4.2.1 try later", True, None),
            ("rcpt", "554 5.7.1 not from you", False, None),
            ("data", "554 5.6.0 I do not like it", False, None),
            ("data", "452 4.3.1 full", True, None),
        ],
    )
    def test_a_refusal_is_sure(
        self, notifier: Notifier, kept: Kept, where: str, answer: str, retryable: bool, refused: str | None
    ) -> None:
        kept.answers[where] = answer
        with pytest.raises(NotDelivered, match=answer[:3]) as error:
            notifier.send(a_mail())
        assert (error.value.retryable, error.value.refused) == (retryable, refused)
        assert kept.bodies == []

    def test_a_server_that_is_lost_after_the_message_leaves_it_unknown(self, notifier: Notifier, kept: Kept) -> None:
        kept.hang_up = True
        with pytest.raises(DeliveryUnknown):
            notifier.send(a_mail())
        assert len(kept.bodies) == 1

    def test_a_server_that_says_nothing_sensible_was_not_given_the_message(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def hang_up() -> None:
                connection, _ = server.accept()
                connection.close()

            thread = threading.Thread(target=hang_up)
            thread.start()
            with pytest.raises(NotDelivered) as error:
                Smtp(f"smtp://127.0.0.1:{server.getsockname()[1]}").send(a_mail())
            thread.join()
        assert error.value.retryable

    def test_no_password_goes_over_a_line_that_others_can_read(self, server: Controller, kept: Kept) -> None:
        with pytest.raises(NotDelivered, match="encryption"):
            Smtp(f"smtp://anna@127.0.0.1:{server.port}", "secret").send(a_mail())
        assert kept.bodies == []

    @pytest.mark.parametrize(
        "url", ["", "http://x", "smtp://", "smtp://a:secret@host", "smtp://host:99999", "smtp://anna@host"]
    )
    def test_an_address_that_cant_be_one_is_refused_without_repeating_a_password(self, url: str) -> None:
        with pytest.raises(InvalidInput) as error:
            Smtp(url)
        assert "secret" not in str(error.value)


class _Amazon(NotifierContract):
    client = ""

    @pytest.fixture
    def aws(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        with mock_aws():
            aws = Aws()
            yield aws
            aws.close()

    @pytest.fixture
    def broken(self, notifier: Notifier, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Notifier:
        self._fail(aws, monkeypatch, EndpointConnectionError(endpoint_url="https://x"))
        return notifier

    def _fail(self, aws: Aws, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        def send(**_: Any) -> Any:
            raise error

        monkeypatch.setattr(getattr(aws, self.client), "send_email" if self.client == "ses" else "publish", send)

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (ReadTimeoutError(endpoint_url="https://x"), DeliveryUnknown),
            (ConnectTimeoutError(endpoint_url="https://x"), NotDelivered),
            (
                _error := ClientError(
                    {"Error": {"Code": "InternalError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "x"
                ),
                DeliveryUnknown,
            ),
            (
                ClientError({"Error": {"Code": "MessageRejected"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "x"),
                NotDelivered,
            ),
        ],
        ids=["no answer", "no connection", "their fault", "refused"],
    )
    def test_what_is_sure_and_what_is_not(
        self,
        notifier: Notifier,
        message: Outgoing,
        aws: Aws,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
        kind: type,
    ) -> None:
        self._fail(aws, monkeypatch, error)
        with pytest.raises(kind):
            notifier.send(message)

    def test_the_client_asks_once(self, aws: Aws) -> None:
        assert getattr(aws, self.client).meta.config.retries["total_max_attempts"] == 1


class TestSes(_Amazon):
    client = "ses"

    @pytest.fixture
    def notifier(self, aws: Aws) -> Notifier:
        aws.ses.create_email_identity(EmailIdentity=SENDER)
        return Ses(aws)

    @pytest.fixture
    def taken(self, aws: Aws) -> Callable[[], list[bytes]]:
        backend = sesv2_backends[DEFAULT_ACCOUNT_ID][REGION]
        return lambda: [_raw(each) for each in backend.core_backend.sent_messages]


class TestSns(_Amazon):
    client = "sns"

    @pytest.fixture
    def message(self) -> Outgoing:
        return a_text()

    @pytest.fixture
    def notifier(self, aws: Aws) -> Notifier:
        return Sns(aws)

    @pytest.fixture
    def taken(self, aws: Aws) -> Callable[[], list[bytes]]:
        backend = sns_backends[DEFAULT_ACCOUNT_ID][REGION]
        return lambda: [each[1].encode() for each in backend.sms_messages.values()]

    def test_a_number_that_opted_out_is_not_written_to(
        self, notifier: Notifier, aws: Aws, taken: Callable[[], list[bytes]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(aws.sns, "check_if_phone_number_is_opted_out", lambda **_: {"isOptedOut": True})
        with pytest.raises(NotDelivered) as error:
            notifier.send(a_text())
        assert error.value.refused == "opted_out"
        assert taken() == []


def _raw(sent: Any) -> bytes:
    found = sent.raw_data
    return found.encode() if isinstance(found, str) else bytes(found)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_the_mail_of_this_suite_is_one() -> None:
    assert email.message_from_bytes(MAIL, policy=email.policy.default)["Subject"] == "Pictures"
