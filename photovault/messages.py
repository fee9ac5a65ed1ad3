"""Messages as they are sent: a mail with text, HTML and small pictures inside it, or a short text message.

Whatever a person or a file said is escaped; a mail loads nothing from anywhere. Pictures are the small renditions,
which hold no metadata, and only those that may be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Protocol
from urllib.parse import quote

from msgspec import Struct

from domain.contact import Contact
from domain.notification import Cause, Message
from domain.ports import BlobStore
from domain.scanning import Serving
from photovault.contacts import ContactBook, code
from photovault.shared_items import shown_assets
from photovault.sharing import saved_token

__all__ = ["Sender", "Writing", "render"]

MAX_PICTURES = 6
MAX_SMS = 320

_INTRO = {
    "share": "Pictures were shared with you.",
    "memory": "There is a new memory in the library.",
    "import": "New pictures have arrived.",
    "failure": "Some files could not be taken in.",
    "quota": "The library is running full.",
    "confirm": "Somebody wants to tell you of pictures. Nothing more is sent unless you agree.",
    "test": "This is a test: messages arrive.",
}


class Sender(Struct, frozen=True):
    """Who messages come from, and where people reach the vault."""

    address: str
    public_url: str | None = None

    @property
    def host(self) -> str:
        """Host of message ids."""
        return self.address.rpartition("@")[2] or "localhost"


class Writing(ContactBook, Protocol):
    """What writing a message needs of a vault."""

    @property
    def blobs(self) -> BlobStore:
        """Where pictures are."""
        ...


class _Line(Struct, frozen=True):
    cause: Cause
    link: str | None
    code: str | None  # where there is no link: what to say to the command line


def render(
    vault: Writing, owner: str, contact: Contact, message: Message, sender: Sender, serving: Serving, ident: str
) -> bytes:
    """The bytes to send: a whole mail, or the text of a text message in UTF-8. The same message gives the same words.

    Args:
        ident: the Message-ID.
    """
    lines = [_line(vault, owner, contact, cause, sender) for cause in message.causes]
    more = len(message.known) - len(message.causes)
    if contact.channel == "sms":
        return _sms(lines, more).encode()
    subject = _subject(message, lines)
    leave = _leave(vault, owner, contact, sender)
    pictures = _pictures(vault, owner, message.causes, serving)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address("PhotoVault", addr_spec=sender.address)
    mail["To"] = Address(contact.name, addr_spec=contact.address) if contact.name else contact.address
    mail["Subject"] = subject
    mail["Date"] = format_datetime(message.queued_at or vault.clock())
    mail["Message-ID"] = ident
    mail["Auto-Submitted"] = "auto-generated"
    if message.kind != "confirm":
        for name, value in leave.headers.items():
            mail[name] = value
    foot = "" if message.kind == "confirm" else leave.text
    mail.set_content(_text(lines, more, message, foot), cte="quoted-printable")
    mail.add_alternative(_html(lines, more, message, pictures, foot, leave.url), subtype="html", cte="quoted-printable")
    page = mail.get_payload()[1]  # type: ignore[index]
    for name, data in pictures:
        page.add_related(  # type: ignore[union-attr]
            data, "image", "jpeg", cid=f"<{name}>", filename=f"{name}.jpg", disposition="inline"
        )
    return mail.as_bytes()


# --- what it says ----------------------------------------------------------------------------------------------------


def _line(vault: Writing, owner: str, contact: Contact, cause: Cause, sender: Sender) -> _Line:
    if cause.kind == "share" and cause.subject:
        token = saved_token(vault.checkpoints, cause.subject)
        if token is None:
            return _Line(cause, None, None)
        return _Line(cause, f"{sender.public_url}/s/{token}", None) if sender.public_url else _Line(cause, None, token)
    if cause.kind == "confirm":
        said = code(vault, owner, contact, "confirm")
        if sender.public_url:
            return _Line(cause, f"{sender.public_url}/n/confirm/{quote(owner)}/{contact.id}/{said}", None)
        return _Line(cause, None, f"{contact.id}.{said}")
    return _Line(cause, None, None)


def _subject(message: Message, lines: Sequence[_Line]) -> str:
    """One line without what would end it."""
    title = lines[0].cause.title if lines else "News"
    if len(message.known) > 1:
        title = f"{len(message.known):,} news: {title}"
    return "".join(c if c.isprintable() else " " for c in title)[:150]


def _text(lines: Sequence[_Line], more: int, message: Message, foot: str) -> str:
    parts = [_INTRO[message.kind] if len(message.known) == 1 else "This is what is new:", ""]
    for line in lines:
        parts += [f"- {line.cause.title}" if len(lines) > 1 else line.cause.title]
        parts += [line.cause.detail] if line.cause.detail else []
        parts += [f"  {line.link}"] if line.link else []
        parts += [f"  {_said(line)}"] if line.code else []
    if more:
        parts.append(f"and {more:,} more")
    return "\n".join([*parts, "", "-- ", foot or "You get this once. Do nothing, and nothing more is sent."]) + "\n"


def _said(line: _Line) -> str:
    if line.cause.kind == "confirm":
        return f"photovault notify confirm {line.code}"
    return f"photovault share open {line.code} --folder pictures"


def _html(
    lines: Sequence[_Line],
    more: int,
    message: Message,
    pictures: Sequence[tuple[str, bytes]],
    foot: str,
    leave: str | None,
) -> str:
    intro = _INTRO[message.kind] if len(message.known) == 1 else "This is what is new:"
    rows = []
    for line in lines:
        cause = line.cause
        label = "Yes, tell me" if cause.kind == "confirm" else "Look at the pictures"
        link = f'<p><a href="{escape(line.link)}">{label}</a></p>' if line.link else ""
        said = f"<p><code>{escape(_said(line))}</code></p>" if line.code else ""
        detail = f"<p>{escape(cause.detail)}</p>" if cause.detail else ""
        rows.append(f"<h2>{escape(cause.title)}</h2>{detail}{link}{said}")
    if more:
        rows.append(f"<p>and {more:,} more</p>")
    shown = "".join(f'<img src="cid:{name}" alt="" width="128" style="margin:4px">' for name, _ in pictures)
    last = escape(foot or "You get this once. Do nothing, and nothing more is sent.")
    if foot and leave:
        last = f'You get this because you agreed to. <a href="{escape(leave)}">Unsubscribe</a>'
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><body style="font:16px/1.5 sans-serif">'
        f"<p>{escape(intro)}</p>{''.join(rows)}<p>{shown}</p><hr><p><small>{last}</small></p></body></html>\n"
    )


def _sms(lines: Sequence[_Line], more: int) -> str:
    """At most two parts of a text message."""
    if not lines:
        return "PhotoVault: news"
    first = lines[0]
    tail = f" {first.link}" if first.link else f" {_said(first)}" if first.code else ""
    others = len(lines) - 1 + more
    tail = f" (and {others:,} more)" + tail if others else tail
    head = "PhotoVault: " + "".join(c if c.isprintable() else " " for c in first.cause.title)
    return head[: max(20, MAX_SMS - len(tail))] + tail


class _Leave(Struct, frozen=True):
    text: str
    headers: dict[str, str]
    url: str | None


def _leave(vault: Writing, owner: str, contact: Contact, sender: Sender) -> _Leave:
    """How to hear no more: a button of the mail program (RFC 8058), a link, or a word to whoever runs the vault."""
    said = code(vault, owner, contact, "unsubscribe")
    if sender.public_url is None:
        mailto = f"<mailto:{sender.address}?subject=unsubscribe%20{contact.id}.{said}>"
        text = f"You get this because you agreed to. To hear no more: photovault notify unsubscribe {contact.id}.{said}"
        return _Leave(text, {"List-Unsubscribe": mailto}, None)
    url = f"{sender.public_url}/n/unsubscribe/{quote(owner)}/{contact.id}/{said}"
    headers = {"List-Unsubscribe": f"<{url}>"}
    if url.startswith("https://"):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return _Leave(f"You get this because you agreed to. To hear no more: {url}", headers, url)


def _pictures(vault: Writing, owner: str, causes: Sequence[Cause], serving: Serving) -> list[tuple[str, bytes]]:
    wanted = list(dict.fromkeys(asset for cause in causes for asset in cause.assets))[:MAX_PICTURES]
    if not wanted:
        return []
    items = [item for item in shown_assets(vault, owner, wanted, serving) if not item.blurred]
    get: Callable[[str], bytes] = vault.blobs.get
    return [(f"picture-{n}", get(item.state.renditions["small"].blob)) for n, item in enumerate(items, 1)]
