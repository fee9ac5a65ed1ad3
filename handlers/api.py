"""The HTTP API: gallery, search, one asset and its audit, status, what failed, and links to upload with.

Whose vault it is follows from the token's `sub` alone, which API Gateway has verified; nothing in a request can name
another owner. Errors are problem documents (RFC 9457).
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

import msgspec
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError

from domain.asset import Asset, asset_stream, fold
from domain.behaviour_events import SearchMade
from domain.errors import InvalidInput, NotFound, PhotoVaultError, ViewUnavailable
from domain.notification_events import Channel
from domain.pipeline import STEPS
from domain.ports import SearchIndex
from domain.query import parse
from domain.upkeep import Finding, worst
from handlers.observe import count, logger, observed
from handlers.shared import masked, router
from photovault import analytics, behaviour, contacts, sharing
from photovault import memories as told
from photovault.answering import answer, begun
from photovault.auditing import life_of
from photovault.aws.cloud import Cloud, cloud, is_owner
from photovault.keeping import restore, set_favourite, trash, trash_page
from photovault.memories import KINDS, Reader
from photovault.moments import checked_month
from photovault.searching import of_people
from projections.notifications import Contacts
from projections.processing import COUNTERS
from projections.serving import served

T = TypeVar("T")
LINK_SECONDS = 900
_MAX_LIMIT = 200
_STATES = ("done", "processing", "quarantined", "given_up")
_FILE_NAME = re.compile(r"^[^/\\\x00-\x1f\x7f]{1,255}$")

app = APIGatewayHttpResolver()
app.include_router(router)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway v2, $default route behind a JWT authorizer."""
    logger.set_correlation_id(event["requestContext"]["requestId"])
    answer = app.resolve(event, context)
    if "behaviour" in cloud().__dict__:
        cloud().behaviour.flush_if_due()
    count(f"status_{answer['statusCode'] // 100}xx", 1)
    logger.info("answered", extra={"path": masked(event["rawPath"]), "status": answer["statusCode"]})
    return answer


@app.get("/health")
def health() -> Response[str]:
    """The function runs and can reach its tables; and how the doctor found the vault last: levels only, as anybody may
    ask. `status` is `ok`, `warning` or `failure`, and a failure answers with 503."""
    vault = cloud()
    views = {name: vault.generations.registered(name).active for name in vault.generations.projections}
    entry = vault.checkpoints.load("upkeep", "findings")
    findings = msgspec.json.decode(entry.value, type=list[Finding]) if entry else []
    level = worst(findings)
    checks = {each.check: each.level for each in findings}
    body = {"status": level, "stage": vault.settings.stage, "views": views, "checks": checks}
    return _json(body, 503 if level == "failure" else 200)


@app.get("/gallery")
def gallery() -> Response[str]:
    """The timeline, newest first: `state`, `since`, `until` (of the time taken), `limit`, `cursor`."""
    vault, owner = cloud(), _owner()
    state = _query("state")
    if state is not None and state not in _STATES:
        raise InvalidInput(f"{state!r} is not a state; there are: {', '.join(_STATES)}")
    prefix = f"{state}#" if state else ""
    until = _query("until")
    projection, table = vault.generations.active("gallery")
    page = vault.views.query(
        table,
        owner,
        index="state" if state else "timeline",
        low=prefix + (_query("since") or ""),
        high=prefix + until if until else (f"{state}$" if state else None),
        descending=True,
        limit=_limit(),
        cursor=_query("cursor"),
    )
    items = [served(projection, row, _link(vault), vault.settings.serving) for row in page.rows]
    return _json({"items": items, "cursor": page.cursor})


@app.get("/assets/<asset>")
def one_asset(asset: str) -> Response[str]:
    """One asset as the gallery shows it, and a link to its original once that is known to be harmless."""
    vault, owner = cloud(), _owner()
    projection, table = vault.generations.active("gallery")
    row = vault.views.get(table, [(owner, _asset_id(asset))])[0]
    if row is None or row.deleted:
        raise NotFound(f"there is no asset {asset}")
    item = served(projection, row, _link(vault), vault.settings.serving)
    state = fold(asset_stream(owner, asset), vault.store.load(asset_stream(owner, asset)).events)
    item["original"] = _original(vault, state)
    analytics.note_view(vault, owner, asset)
    return _json(item)


@app.get("/assets/<asset>/audit")
def audit(asset: str) -> Response[str]:
    """The life of one asset: every event, and what is still due."""
    vault = cloud()
    stream = asset_stream(_owner(), _asset_id(asset))
    loaded = vault.store.load(stream)
    if not loaded.events:
        raise NotFound(f"there is no asset {asset}")
    return _json(life_of(stream, loaded.events))


@app.get("/trash")
def list_trash() -> Response[str]:
    """What is in the trash, the last one put there first; `limit`, `cursor`."""
    vault, owner = cloud(), _owner()
    projection, _ = vault.generations.active("gallery")
    page = trash_page(vault, owner, limit=_limit(), cursor=_query("cursor"))
    serving = vault.settings.serving
    items = [served(projection, row, _link(vault), serving, from_trash=True) for row in page.rows]
    return _json({"items": items, "cursor": page.cursor})


@app.put("/assets/<asset>/trash")
def put_into_trash(asset: str) -> Response[str]:
    """Into the trash, with what belongs to the same shot; `assets` are those that were not there before. Upkeep erases
    it after 30 days."""
    vault, stream = cloud(), _stream(asset)
    return _json({"assets": trash(vault, stream, "asked for through the API")})


@app.delete("/assets/<asset>/trash")
def take_out_of_trash(asset: str) -> Response[str]:
    """Out of the trash again."""
    vault, stream = cloud(), _stream(asset)
    return _json({"assets": restore(vault, stream, "asked for through the API")})


@app.put("/assets/<asset>/favourite")
def mark(asset: str) -> Response[str]:
    """It is a favourite."""
    return _json({"changed": set_favourite(cloud(), _stream(asset), favourite=True)})


@app.delete("/assets/<asset>/favourite")
def unmark(asset: str) -> Response[str]:
    """It is one no longer."""
    return _json({"changed": set_favourite(cloud(), _stream(asset), favourite=False)})


@app.get("/status")
def status() -> Response[str]:
    """Assets by state and steps by status, from the totals of the processing view."""
    vault, owner = cloud(), _owner()
    _, table = vault.generations.active("processing")
    totals = vault.views.totals(table, owner)
    assets = totals.get("assets", {})
    return _json(
        {
            "owner": owner,
            "assets": {name: assets.get(name, 0) for name in ("total", *_STATES)},
            "steps": {step: {name: totals.get(f"step:{step}", {}).get(name, 0) for name in COUNTERS} for step in STEPS},
        }
    )


@app.get("/failed")
def failed() -> Response[str]:
    """Assets that are not processed as they should be, and why; `limit`, `cursor`."""
    vault, owner = cloud(), _owner()
    projection, table = vault.generations.active("processing")
    page = vault.views.query(table, owner, index="attention", limit=_limit(), cursor=_query("cursor"))
    items = [served(projection, row, _link(vault), vault.settings.serving) for row in page.rows]
    return _json({"items": items, "cursor": page.cursor})


@app.get("/search")
def search() -> Response[str]:
    """Pictures that `q` finds (docs/search.md), the best first: `today` (what "last summer" is seen from: 2019-06-21),
    `limit`, `cursor`, `words_only` and `explain` (yes)."""
    vault, owner = cloud(), _owner()
    query = parse(_query("q") or "", _today(vault))
    results = answer(
        vault,
        _index(vault),
        owner,
        query,
        _link(vault),
        only=of_people(vault.of(owner), query),
        limit=_limit(),
        cursor=_query("cursor"),
        lexical=_query("words_only") == "yes",
        explain=_query("explain") == "yes",
    )
    found = results.found
    if _query("cursor") is None:
        vault.behaviour.note(owner, SearchMade(found=found.total))
    return _json(
        {
            "items": results.items,
            "total": found.total,
            "facets": found.facets,
            "corrected": found.corrected,
            "semantic": results.semantic,
            "cursor": found.cursor,
        }
    )


@app.get("/suggest")
def suggest() -> Response[str]:
    """Tags, places, cameras and keywords that begin with `q`, the most frequent first; `limit`."""
    vault, owner = cloud(), _owner()
    return _json({"items": begun(vault, _index(vault), owner, _query("q") or "", _limit())})


@app.get("/memories")
def memories() -> Response[str]:
    """Trips, events, people ..., the newest first, each with its cover: `kind`, `dismissed` (yes), `since`, `until` (of
    its beginning, local), `limit`, `cursor`."""
    vault, owner = cloud(), _owner()
    kind = _query("kind")
    if kind is not None and kind not in KINDS:
        raise InvalidInput(f"{kind!r} is not a kind of memory; there are: {', '.join(KINDS)}")
    albums, cursor = _remembered(vault, owner).page(
        kind=kind,
        dismissed=_query("dismissed") == "yes",
        since=_query("since") or "",
        until=_query("until"),
        limit=min(_limit(), 50),
        cursor=_query("cursor"),
    )
    return _json({"items": [album.plain(whole=False) for album in albums], "cursor": cursor})


@app.get("/memories/today")
def this_day() -> Response[str]:
    """This day in other years; `today`, the day by the owner's calendar."""
    vault, owner = cloud(), _owner()
    album = told.today(_remembered(vault, owner), _today(vault))
    return _json(album.plain() if album else {"items": []})


@app.get("/memories/<memory>")
def one_memory(memory: str) -> Response[str]:
    """A memory with its pictures."""
    vault, owner = cloud(), _owner()
    reader = _remembered(vault, owner)
    return _json(reader.album(reader.state(_asset_id(memory))).plain())


@app.put("/memories/<memory>/dismissed")
def dismiss_memory(memory: str) -> Response[str]:
    """Do not show it any more, whatever is added to it."""
    return _json({"memory": memory, "changed": told.dismiss(cloud(), _owner(), _asset_id(memory))})


@app.delete("/memories/<memory>/dismissed")
def restore_memory(memory: str) -> Response[str]:
    """Show it again."""
    return _json({"memory": memory, "changed": told.restore(cloud(), _owner(), _asset_id(memory))})


@app.post("/uploads")
def upload() -> Response[str]:
    """A link to PUT one file to, for 15 minutes: {"name": "IMG_1.jpg"} gives {"url", "key", "expires_in_s"}."""
    vault, owner = cloud(), _owner()
    try:
        name = msgspec.json.decode(app.current_event.decoded_body or "", type=dict[str, Any]).get("name")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput('the body is not JSON: it takes {"name": "IMG_1.jpg"}') from error
    if not isinstance(name, str) or not _FILE_NAME.match(name):
        raise InvalidInput("name is a file's name without folders, 1 to 255 characters")
    key = f"{owner}/{uuid.uuid4()}/{name}"
    return _json({"url": vault.originals.upload_url(key, LINK_SECONDS), "key": key, "expires_in_s": LINK_SECONDS}, 201)


@app.get("/shares")
def shares() -> Response[str]:
    """The owner's links, newest first; `limit`, `cursor`."""
    return _json(sharing.list_shares(cloud(), _owner(), _limit(), _query("cursor")))


@app.post("/shares")
def share() -> Response[str]:
    """A link to pictures: {"assets": [...]} or {"person"} or {"memory"}; "title", "password", "days" (30 unless given),
    "max_views", "download", "to" (ids of contacts). Its token is in the answer, and nowhere else."""
    vault, owner = cloud(), _owner()
    asked = _body(sharing.Order, '{"assets": ["..."]}')
    made = sharing.order(vault, owner, asked, vault.settings.serving)
    base = vault.sender.public_url
    return _json({"share": made.share, "token": made.token, "link": base and f"{base}/s/{made.token}"}, 201)


@app.delete("/shares/<share>")
def revoke(share: str) -> Response[str]:
    """End a link."""
    return _json({"share": share, "changed": sharing.revoke(cloud(), _owner(), _asset_id(share))})


@app.get("/contacts")
def list_contacts() -> Response[str]:
    """Who may be told of things, and what they said."""
    view = Contacts()
    return _json({"items": [view.show(each, str) for each in contacts.contacts_of(cloud(), _owner())], "cursor": None})


@app.post("/contacts")
def add_contact() -> Response[str]:
    """Ask somebody whether they want to be told: {"address", "name", "zone"}. Nothing more before they agree."""
    asked = _body(contacts.Asked, '{"address": "boris@example.org", "zone": "Europe/Lisbon"}')
    channel: Channel = "email" if "@" in asked.address else "sms"
    added = contacts.add(cloud(), _owner(), channel, asked.address, asked.name, asked.zone)
    return _json({"contact": added.id, "channel": channel, "confirmed": added.confirmed_at is not None}, 201)


@app.put("/contacts/<contact>")
def prefer(contact: str) -> Response[str]:
    """What a contact wants to be told of: {"paces": {"memory": "weekly"}, "zone", "quiet": ["22:00", "07:30"]}."""
    wanted = _body(contacts.Wanted, '{"paces": {"memory": "weekly"}}')
    changed = contacts.prefer(
        cloud(),
        _owner(),
        _asset_id(contact),
        wanted.paces,
        zone=wanted.zone,
        quiet=wanted.quiet,
        clear_quiet=wanted.clear_quiet,
    )
    return _json(Contacts().show(changed, str))


@app.get("/stats/<what>")
def stats(what: str) -> Response[str]:
    """The owner's `storage`, `performance` (`by`: step,version,month; `since`, `until`), `cost`, `behaviour` or
    `advice` (docs/analytics.md)."""
    vault, owner = cloud(), _owner()
    region = _query("region") or os.environ.get("AWS_REGION") or "us-east-1"
    match what:
        case "storage":
            return _json(analytics.storage(vault, [owner]))
        case "performance":
            months = (checked_month(_query("since") or "0001-01"), checked_month(_query("until") or "9999-12"))
            return _json(analytics.performance(vault, [owner], (_query("by") or "step").split(","), *months))
        case "cost":
            return _json(analytics.cost(vault, [owner], region))
        case "behaviour":
            return _json(analytics.behaviour(vault, owner))
        case "advice":
            return _json({"region": region, "items": analytics.advice(vault, [owner], region), "cursor": None})
    raise NotFound("there are: storage, performance, cost, behaviour, advice")


@app.put("/stats/behaviour")
def agree_to_behaviour() -> Response[str]:
    """Begin to count the owner's views and searches."""
    return _json({"agreed": True, "new": behaviour.agree(cloud(), _owner(), "api")})


@app.delete("/stats/behaviour")
def withdraw_behaviour() -> Response[str]:
    """Stop counting, and erase what was counted."""
    return _json({"agreed": False, "months": behaviour.withdraw(cloud(), _owner(), "api")})


# --- errors ---


def _foreseen(error: PhotoVaultError) -> Response[str]:
    if isinstance(error, InvalidInput):
        return _problem(400, "Bad request", str(error))
    if isinstance(error, ViewUnavailable):
        return _problem(503, "Not available yet", "the view is being built, or busy: try again in a minute")
    if isinstance(error, NotFound):
        return _problem(404, "Not found", str(error))
    logger.exception("a request failed")
    return _problem(500, "Internal error", "the request failed; its id is in the log")


def _refused(error: ServiceError) -> Response[str]:
    return _problem(error.status_code, "Refused", error.msg if isinstance(error.msg, str) else "refused")


def _no_route(error: Exception) -> Response[str]:
    return _problem(404, "Not found", "there is nothing here")


def _unforeseen(error: Exception) -> Response[str]:
    logger.exception("a request failed")
    return _problem(500, "Internal error", "the request failed; its id is in the log")


for _kind, _answer in ((PhotoVaultError, _foreseen), (ServiceError, _refused), (Exception, _unforeseen)):
    app.exception_handler(_kind)(_answer)
app.not_found(_no_route)


class Unidentified(ServiceError):
    """The request carries no verified identity."""

    def __init__(self) -> None:
        super().__init__(401, "sign in: the token names nobody")


# --- helpers ---


def _owner() -> str:
    """Whose library the token opens: the one that an administrator named for the person (nobody can set it for
    themselves: the template's client may not write it), else the person's own, by the token's subject."""
    context = app.current_event.raw_event.get("requestContext", {})
    claims = (context.get("authorizer") or {}).get("jwt", {}).get("claims", {})
    owner = claims.get("custom:owner") or claims.get("sub")
    if not isinstance(owner, str) or not is_owner(owner):
        raise Unidentified
    return owner


def _body(kind: type[T], example: str) -> T:
    try:
        return msgspec.json.decode(app.current_event.decoded_body or "", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the body can't be read ({error}): it takes {example}") from error


def _asset_id(asset: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{1,64}", asset):
        raise NotFound(f"there is no asset {asset[:80]}")
    return asset


def _stream(asset: str) -> str:
    """The stream of an asset of the caller's.

    Raises:
        NotFound: there is none.
    """
    stream = asset_stream(_owner(), _asset_id(asset))
    if not cloud().store.load(stream).events:
        raise NotFound(f"there is no asset {asset}")
    return stream


def _query(name: str) -> str | None:
    return app.current_event.query_string_parameters.get(name) or None


def _limit() -> int:
    text = _query("limit") or "50"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MAX_LIMIT):
        raise InvalidInput(f"limit is a number from 1 to {_MAX_LIMIT}")
    return int(text)


def _remembered(vault: Cloud, owner: str) -> Reader:
    return Reader(vault, owner, vault.settings.serving, _link(vault))


def _index(vault: Cloud) -> SearchIndex:
    if vault.index is None:
        raise NotFound("there is no search here: the deployment's OpenSearch is switched off")
    return vault.index


def _today(vault: Cloud) -> date:
    text = _query("today")
    try:
        return date.fromisoformat(text) if text else vault.clock().date()
    except ValueError as error:
        raise InvalidInput("today is a date such as 2019-06-21") from error


def _link(vault: Cloud) -> Callable[[str], str]:
    return lambda blob: vault.blobs.url(blob, LINK_SECONDS)


def _original(vault: Cloud, state: Asset) -> str | None:
    if state.uploaded is None or state.validated is None or state.quarantined is not None:
        return None
    if state.trashed_at is not None:
        return None
    if state.shown == "hold" or not vault.settings.serving.allows(state.validated.scan.status):
        return None
    return _link(vault)(state.uploaded.blob)


def _json(body: Any, code: int = 200) -> Response[str]:
    headers = {"Cache-Control": "private, no-store"}
    return Response(code, "application/json", msgspec.json.encode(body).decode(), headers=headers)


def _problem(code: int, title: str, detail: str) -> Response[str]:
    request = app.current_event.raw_event.get("requestContext", {}).get("requestId")
    body = {"type": "about:blank", "title": title, "status": code, "detail": detail, "request": request}
    return Response(code, "application/problem+json", msgspec.json.encode(body).decode())
