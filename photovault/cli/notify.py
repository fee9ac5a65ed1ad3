"""For the owner: who is told of new pictures, by mail or text message, and only if they agreed."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from domain.errors import InvalidInput
from domain.notification_events import KINDS, Channel, Kind, Pace
from photovault import contacts, notices
from photovault.auditing import size
from photovault.cli.app import Cursor, Json, Limit, open_vault
from photovault.cli.output import clean, moment, number, out, print_json, table
from photovault.notifying import resend, send_due
from photovault.runtime import catch_up
from photovault.vault import Vault
from projections.notifications import PARTITION, Contacts, Notifications

notify = typer.Typer(help="Mail and text messages, to those who agreed.", no_args_is_help=True)
_PACES: tuple[Pace, ...] = ("at_once", "daily", "weekly", "off")
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([kMGT]?)B?$")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

Who = Annotated[str, typer.Argument(help="Address, name, id, or the beginning of an id.", metavar="CONTACT")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(notify, name="notify")


@notify.command()
def add(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="Mail address, or phone number such as +351912345678.")],
    name: Annotated[str, typer.Option(help="As people call them.")] = "",
    zone: Annotated[str, typer.Option(help="Their time zone, such as Europe/Lisbon.")] = "UTC",
    json: Json = False,
) -> None:
    """Add somebody. They are asked once, and told of nothing before they say yes."""
    channel: Channel = "email" if "@" in address else "sms"
    with open_vault(context, create=True) as vault:
        contact = contacts.add(vault, vault.settings.owner, channel, address, name, zone)
        catch_up(vault)
    if json:
        print_json({"contact": contact.id, "channel": channel, "confirmed": contact.confirmed_at is not None})
        return
    if contact.confirmed_at is not None:
        out.print(f"{contact.address} agreed before")
        return
    out.print(f"contact [bold]{contact.id}[/bold]: the question goes to {contact.address}")
    out.print("Next: photovault notify send-due")


@notify.command()
def confirm(
    context: typer.Context,
    said: Annotated[str, typer.Argument(help="The code in the question that they got.", metavar="CODE")],
    json: Json = False,
) -> None:
    """Say yes, with the code that only the question carried."""
    ident, _, code = said.partition(".")
    with open_vault(context) as vault:
        contact = contacts.confirm(vault, vault.settings.owner, ident, code)
        catch_up(vault)
    if json:
        print_json({"contact": contact.id, "confirmed": True})
        return
    out.print(f"{contact.address} is told from now on")


@notify.command()
def unsubscribe(
    context: typer.Context,
    said: Annotated[str, typer.Argument(help="The code in a message, or a contact.", metavar="CODE|CONTACT")],
    kind: Annotated[str | None, typer.Option(help="Of this alone: share, memory, import, failure, quota.")] = None,
    json: Json = False,
) -> None:
    """Say no: nothing more is sent, until they are asked again and agree."""
    what = _kind(kind) if kind else None
    with open_vault(context) as vault:
        catch_up(vault)
        owner = vault.settings.owner
        ident, _, code = said.partition(".")
        if code and "@" not in said:
            contact = contacts.unsubscribe(vault, owner, ident, code, what)
        else:
            contact = contacts.unsubscribe(vault, owner, contacts.find_contact(vault, owner, said).id, None, what)
        catch_up(vault)
    if json:
        print_json({"contact": contact.id, "unsubscribed": contact.unsubscribed, "kind": kind})
        return
    out.print(f"{contact.address} hears no more of {kind or 'anything'}")


@notify.command()
def preferences(
    context: typer.Context,
    who: Who,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="KIND=PACE: share, memory, import, failure, quota; at-once, daily, weekly, off."),
    ] = None,
    quiet: Annotated[str | None, typer.Option(help="Quiet hours, 22:00-07:00 by their clock, or none.")] = None,
    zone: Annotated[str | None, typer.Option(help="Their time zone, such as Europe/Lisbon.")] = None,
    json: Json = False,
) -> None:
    """Show or change what somebody is told of, how often, and when not."""
    paces = dict(_setting(each) for each in set_ or ())
    hours = _hours(quiet) if quiet and quiet != "none" else None
    with open_vault(context) as vault:
        catch_up(vault)
        owner = vault.settings.owner
        contact = contacts.find_contact(vault, owner, who)
        if paces or quiet or zone:
            contact = contacts.prefer(
                vault, owner, contact.id, paces, zone=zone, quiet=hours, clear_quiet=quiet == "none"
            )
            catch_up(vault)
        shown = Contacts().show(contact, str)
    if json:
        print_json(shown)
        return
    table(None, ("of", "how often"), [(kind, pace.replace("_", " ")) for kind, pace in shown["paces"].items()])
    out.print(f"quiet hours: {'-'.join(shown['quiet']) if shown['quiet'] else 'none'}; {shown['zone']}")
    if shown["confirmed_at"] is None:
        out.print("They have not agreed: nothing is sent.")


@notify.command("list")
def list_command(
    context: typer.Context,
    people: Annotated[bool, typer.Option("--contacts", help="Contacts instead of messages.")] = False,
    status: Annotated[
        str | None, typer.Option(help="Only queued, sent, failed, given_up, uncertain, withheld; of this page.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """Messages, the newest first, and what became of each; or contacts."""
    with open_vault(context) as vault:
        catch_up(vault)
        if people:
            _contacts(vault, json=json)
            return
        owner = vault.settings.owner
        projection, view = vault.generations.active(Notifications.name)
        page = vault.views.query(
            view,
            PARTITION,
            index="owner",
            low=f"{owner}#",
            high=f"{owner}$",
            descending=True,
            limit=limit,
            cursor=cursor,
        )
        items = [projection.show(projection.decode(row.data), str) for row in page.rows]
        items = [item for item in items if status in (None, item["status"])]
        names = {each.id: each.name or each.address for each in contacts.contacts_of(vault, owner)}
    if json:
        print_json({"items": items, "cursor": page.cursor})
        return
    table(
        None,
        ("message", "queued (UTC)", "to", "kind", ">causes", "what", "status", "why"),
        [
            (
                item["notification"][:8],
                moment(item["queued_at"]) if item["queued_at"] else "",
                names.get(item["contact"], item["contact"][:8]),
                item["kind"],
                item["causes"],
                item["title"],
                item["status"].replace("_", " "),
                (item["reason"] or "").replace("_", " "),
            )
            for item in items
        ],
    )


@notify.command("send-due")
def send_due_command(context: typer.Context, limit: Limit = 100, json: Json = False) -> None:
    """Look for what is new, and send what is due. `photovault work` does it too."""
    with open_vault(context) as vault:
        catch_up(vault)
        notices.look(vault)
        catch_up(vault)
        done = send_due(vault, vault.settings.serving, limit)
        catch_up(vault)
    if json:
        print_json(done)
        return
    parts = [f"{getattr(done, name)} {name.replace('_', ' ')}" for name in done.__struct_fields__ if name != "due"]
    out.print(f"{number(done.due, 'message')} due: {', '.join(part for part in parts if not part.startswith('0 '))}")


@notify.command("resend")
def resend_command(
    context: typer.Context,
    ident: Annotated[str, typer.Argument(help="Id of the message.", metavar="MESSAGE")],
    json: Json = False,
) -> None:
    """Send a message again that was given up, or that may not have arrived: it may then come twice."""
    with open_vault(context) as vault:
        catch_up(vault)
        _, view = vault.generations.active(Notifications.name)
        low = f"{vault.settings.owner}#{ident}"
        rows = vault.views.query(view, PARTITION, low=low, high=low + "\U0010ffff", limit=2).rows
        found = rows[0].key.partition("#")[2] if len(rows) == 1 and ident else ident
        resend(vault, vault.settings.owner, found)
        catch_up(vault)
    if json:
        print_json({"notification": found, "due": True})
        return
    out.print("it is due again: photovault notify send-due")


@notify.command("test")
def try_command(context: typer.Context, who: Who, json: Json = False) -> None:
    """Send one message to a contact who agreed, to see whether it arrives."""
    with open_vault(context) as vault:
        catch_up(vault)
        owner = vault.settings.owner
        contact = contacts.find_contact(vault, owner, who)
        notices.ask_for_test(vault, owner, contact)
        catch_up(vault)
        done = send_due(vault, vault.settings.serving)
        catch_up(vault)
    if json:
        print_json(done)
        return
    out.print(f"{done.sent} sent, {done.failed + done.given_up} failed, {done.withheld} withheld")


@notify.command()
def quota(
    context: typer.Context,
    most: Annotated[
        str | None, typer.Argument(help="How much the library may hold: 500MB, 200GB, or none.", metavar="[SIZE]")
    ] = None,
    json: Json = False,
) -> None:
    """Show or set how much the library may hold. At 80 % and at 100 % people are told; nothing is refused."""
    with open_vault(context, create=True) as vault:
        catch_up(vault)
        owner = vault.settings.owner
        changed = notices.set_quota(vault, owner, _bytes(most)) if most is not None else False
        catch_up(vault)
        held = notices.quota_of(vault, owner)
        _, view = vault.generations.active("library")
        totals = vault.views.totals(view, owner).get("library", {})
        used = totals.get("original_bytes", 0) + totals.get("rendition_bytes", 0)
    if json:
        print_json({"quota_bytes": held, "used_bytes": used, "changed": changed})
        return
    out.print(f"{size(used)} used" + (f" of {size(held)} ({used * 100 // held} %)" if held else "; no quota"))


def _contacts(vault: Vault, *, json: bool) -> None:
    shown = [Contacts().show(each, str) for each in contacts.contacts_of(vault, vault.settings.owner)]
    if json:
        print_json({"items": shown, "cursor": None})
        return
    table(
        None,
        ("contact", "name", "address", "agreed (UTC)", "state"),
        [
            (
                item["contact"][:8],
                item["name"],
                clean(item["address"]),
                moment(item["confirmed_at"]) if item["confirmed_at"] else "",
                item["suppressed"] or ("unsubscribed" if item["unsubscribed"] else ""),
            )
            for item in shown
        ],
    )


def _kind(text: str) -> Kind:
    if text not in KINDS:
        raise InvalidInput(f"{text!r} is nothing to be told of; there are: {', '.join(KINDS)}")
    return text


def _setting(text: str) -> tuple[str, Pace]:
    kind, _, pace = text.partition("=")
    pace = pace.replace("-", "_")
    if pace not in _PACES:
        raise InvalidInput(f"--set is {text!r}; it takes KIND=PACE, where PACE is at-once, daily, weekly or off")
    return _kind(kind), pace


def _hours(text: str) -> tuple[str, str]:
    begins, _, ends = text.partition("-")
    if not ends:
        raise InvalidInput(f"--quiet is {text!r}; it takes 22:00-07:00, or none")
    return begins.strip(), ends.strip()


def _bytes(text: str) -> int | None:
    if text == "none":
        return None
    found = _SIZE.match(text)
    if not found or (least := int(float(found[1]) * _UNITS[found[2]])) < 1:
        raise InvalidInput(f"{text!r} is no size: it takes 500MB, 200GB, or none")
    return least
