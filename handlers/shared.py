"""What needs no account: the pages behind a share's link, and yes or no to messages. Each request is one visitor's;
whose pictures it shows follows from the link's token alone.

    GET  /s/<token>                  the pictures, a question for the password, or why there are none
    POST /s/<token>                  the password, or the button of a link that can be opened a few times only
    GET  /s/<token>/<n>/<what>       small, large, preview, play; or download: the file without its metadata
    GET, POST /n/confirm|unsubscribe/<owner>/<contact>/<code>    asks (a program may look); does it

No token and no address is logged, here or by API Gateway.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.shared.cookies import Cookie, SameSite

from domain.errors import NotFound, ShareClosed
from domain.notification_events import KINDS, Kind
from domain.share import SESSION
from photovault import contacts, sharing
from photovault.aws.cloud import cloud
from photovault.share_files import Handed
from photovault.share_page import closed_page, headers, origin_of, pictures_page
from photovault.shared_items import Item
from photovault.sharing import Visit

__all__ = ["masked", "router"]

LINK_SECONDS = 900
_COOKIE = "photovault_share"
_MAX_BODY = 2048
_MAX_INLINE = 4 << 20  # of a file in an answer, where the store gives no links: Lambda takes 6 MB as base64
_STATUS = {"no_item": 404, "no_download": 403, "password": 403, "locked": 429, "button_needed": 200}
_SECRET = re.compile(r"^/(s|n)/.*")

router = Router()  # type: ignore[no-untyped-call]


def masked(path: str) -> str:
    """A request's path as it may be logged: what opens something is left out."""
    return _SECRET.sub(r"/\1/...", path)


@router.get("/s/<token>")
def page(token: str) -> Response[str]:
    """The pictures, or why not."""
    return _opened(token, password=None, asked=False)


@router.post("/s/<token>")
def unlock(token: str) -> Response[str]:
    """With the password, or the button; answered with the page's address, so that going back asks nothing again."""
    said = _form().get("password", [""])[0]
    return _opened(token, password=said or None, asked=True)


@router.get("/s/<token>/<number>/<what>")
def file(token: str, number: str, what: str) -> Response[Any]:
    """One file of an opening; without one, the way to the page."""
    try:
        seen = sharing.visit(cloud(), token, cloud().settings.serving, session=_session(), renew=False)
    except ShareClosed:
        return _redirect(f"/s/{token}")
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        raise NotFound("there is no such file")
    if what == "download":
        try:
            made, name = sharing.download(cloud(), seen, int(number), address=_address(), request=_request())
        except ShareClosed as closed:
            return _html(closed_page(str(closed)), _STATUS.get(closed.reason, 410))
        return _handed(made, name)
    return _handed(sharing.picture(seen, int(number), what))


@router.get("/n/<action>/<owner>/<contact>/<code>")
def ask(action: str, owner: str, contact: str, code: str) -> Response[str]:
    """A page with a button: programs that look behind every link in a mail change nothing."""
    if action not in ("confirm", "unsubscribe"):
        raise NotFound("there is nothing here")
    what = "Do you want to be told?" if action == "confirm" else "Do you want to hear no more?"
    return _html(closed_page(what, form="button", action=_path(), button="Yes"))


@router.post("/n/<action>/<owner>/<contact>/<code>")
def answer(action: str, owner: str, contact: str, code: str) -> Response[str]:
    """Yes: by the page's button, or by a mail program's (RFC 8058), which sends `List-Unsubscribe=One-Click`."""
    owner = unquote(owner)
    if "#" in owner or not re.fullmatch(r"[a-z0-9]{1,64}", contact):
        raise NotFound("this link is not known, or not good any more")
    if action == "confirm":
        contacts.confirm(cloud(), owner, contact, code)
        return _html(closed_page("Thank you: you will be told."))
    if action == "unsubscribe":
        said = _query("kind")
        kind: Kind | None = next((each for each in KINDS if each == said), None)
        contacts.unsubscribe(cloud(), owner, contact, code, kind)
        return _html(closed_page("You will hear no more."))
    raise NotFound("there is nothing here")


# --- how -------------------------------------------------------------------------------------------------------------


def _opened(token: str, *, password: str | None, asked: bool) -> Response[str]:
    vault = cloud()
    try:
        seen = sharing.visit(
            vault,
            token,
            vault.settings.serving,
            password=password,
            asked=asked,
            session=_session(),
            address=_address(),
            request=_request(),
        )
    except ShareClosed as closed:
        form = {"password_needed": "password", "password": "password", "button_needed": "button"}.get(closed.reason)
        status = 200 if closed.reason == "password_needed" else _STATUS.get(closed.reason, 410)
        return _html(closed_page(str(closed), form=form, action=_path()), status)
    except NotFound:
        return _html(closed_page("This link opens nothing."), 404)
    cookie = Cookie(
        name=_COOKIE,
        value=seen.session,
        path=f"/s/{token}",
        secure=True,
        http_only=True,
        max_age=int(SESSION.total_seconds()),
        same_site=SameSite.LAX_MODE,
    )
    if asked:
        return _redirect(f"/s/{token}", [cookie])
    return _pictures(token, seen, [cookie] if seen.new else [])


def _pictures(token: str, seen: Visit, cookies: list[Cookie]) -> Response[str]:
    vault, created = cloud(), seen.share.created
    origins: set[str] = set()

    def where(item: Item, what: str) -> str | None:
        if what == "download":
            return f"/s/{token}/{item.number}/download" if created is not None and created.download else None
        try:
            made = sharing.picture(seen, item.number, what)
        except NotFound:
            return None
        link = _link(vault, made, f"{item.name}.{made.suffix}")
        if link is None:
            return f"/s/{token}/{item.number}/{what}"
        origins.add(origin_of(link) or "")
        return link

    body = pictures_page(created.title if created else "", seen.items, where)
    return _html(body, 200, cookies, sorted(origins - {""}))


def _link(vault: Any, made: Handed, name: str, *, save: bool = False) -> str | None:
    """A link to the bytes that is good for 15 minutes; None where the store gives none."""
    url = getattr(vault.blobs, "url", None)
    return str(url(made.blob, LINK_SECONDS, name=name if save else None, media_type=made.media_type)) if url else None


def _handed(made: Handed, name: str | None = None) -> Response[Any]:
    link = _link(cloud(), made, name or "", save=name is not None)
    if link is not None:
        return _redirect(link)
    if made.bytes > _MAX_INLINE:
        raise NotFound("this file is too large to be handed out from here")
    more = {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
    return Response(200, made.media_type, cloud().blobs.get(made.blob), headers={**headers(), **more})


def _html(
    body: str, status: int = 200, cookies: list[Cookie] | None = None, origins: list[str] | None = None
) -> Response[str]:
    return Response(status, "text/html; charset=utf-8", body, headers=dict(headers(origins or ())), cookies=cookies)


def _redirect(to: str, cookies: list[Cookie] | None = None) -> Response[Any]:
    more = {"Location": to, "Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}
    return Response(303, "text/plain", "", headers=dict(more), cookies=cookies)


def _session() -> str | None:
    """The cookie, from where API Gateway puts it (payload format 2.0), or from the header."""
    event = router.current_event.raw_event
    spelled = {str(name).lower(): value for name, value in (event.get("headers") or {}).items()}
    for cookie in event.get("cookies") or str(spelled.get("cookie", "")).split(";"):
        name, _, value = str(cookie).partition("=")
        if name.strip() == _COOKIE and len(value) < 200:
            return value.strip()
    return None


def _form() -> dict[str, list[str]]:
    body = router.current_event.decoded_body or ""
    return parse_qs(body, max_num_fields=5) if len(body) <= _MAX_BODY else {}


def _query(name: str) -> str | None:
    return router.current_event.query_string_parameters.get(name) or None


def _http() -> dict[str, Any]:
    found: dict[str, Any] = router.current_event.raw_event.get("requestContext", {}).get("http", {})
    return found


def _address() -> str | None:
    return _http().get("sourceIp")


def _request() -> str:
    return str(router.current_event.raw_event.get("requestContext", {}).get("requestId", ""))


def _path() -> str:
    return str(router.current_event.raw_event.get("rawPath", ""))
