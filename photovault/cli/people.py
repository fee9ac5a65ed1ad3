"""For the family: who is in the pictures. Off until the owner agrees; one command forgets all faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from domain.commits import from_us
from domain.errors import InvalidInput
from photovault import people as told
from photovault.cli.app import Json
from photovault.cli.output import moment, number, out, print_json, progress_bar, table
from photovault.cli.place import anywhere, on_aws, opened, say_next, threads
from photovault.clustering import cluster_faces
from photovault.face_page import write_people
from photovault.looking_again import last_look
from photovault.reprocessing import Selection, reprocess

faces = typer.Typer(help="Face recognition: off until you agree, and forgotten with one command.", no_args_is_help=True)
people = typer.Typer(help="Who is in the pictures.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(help="Name, id, or the beginning of an id.", metavar="PERSON")]
Asset = Annotated[str, typer.Argument(help="Id, the beginning of an id, or the file's path.", metavar="ASSET")]
Face = Annotated[int, typer.Option("--face", min=0, help="Number of the face in the picture, from the left, from 0.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(faces, name="faces")
    app.add_typer(people, name="people")


@faces.command()
@anywhere
def agree(context: typer.Context, json: Json = False) -> None:
    """Agree that faces are found and told apart, in the pictures that are there and those to come."""
    with opened(context, first=True) as vault, progress_bar("asked") as bar:
        owner = vault.settings.owner
        vault.people.agree(owner, f"person:{owner}")
        why, all_ = "the owner agreed to face recognition", Selection(everything=True)
        asked = reprocess(vault, "faces", all_, why, threads=threads(context), on_asset=bar.advance)
    if json:
        print_json({"owner": owner, "faces": "on", "asked": len(asked)})
        return
    out.print(f"face recognition is on for {owner}; {number(len(asked), 'picture')} will be looked at")
    out.print(say_next(context))


@faces.command()
@anywhere
def forget(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: what is forgotten is gone for good.")] = False,
    json: Json = False,
) -> None:
    """Take the agreement back: the key is destroyed, and no face can be told from another any more."""
    if not yes:
        raise InvalidInput("what is forgotten is gone for good, names of people too: say --yes")
    with opened(context) as vault:
        done = told.forget(vault) or {"pictures": 0, "people": 0}
    if json:
        print_json({"faces": "off"} | done)
        return
    out.print(f"face recognition is off; forgotten: {done['people']} people in {number(done['pictures'], 'picture')}")


@faces.command()
@anywhere
def status(context: typer.Context, json: Json = False) -> None:
    """Whether faces are looked for, and what for is missing."""
    with opened(context) as vault:
        key = vault.people.key(vault.settings.owner)
        by, last = vault.recognition.faces, last_look(vault, vault.settings.owner)
        installed = None if on_aws(context) and by == "models" else vault.faces is not None  # not said of layers
    looked = from_us(last.at_us) if key and last.at_us else None
    if json:
        said = {"looked_at": looked, "left": last.left if looked else None, "error": last.error if looked else None}
        print_json({"faces": "on" if key else "off", "models": installed, "by": by} | said)
        return
    out.print("face recognition is on" if key else "face recognition is off: `photovault faces agree` switches it on")
    if installed is False:
        out.print("no model for faces is installed: `photovault models install mtcnn dlib-face-resnet`")
    if looked:
        out.print(
            f"faces that are nobody's were looked at last {moment(looked)}: {last.error or f'{last.left} are left'}"
        )


@people.command(name="list")
@anywhere
def list_(
    context: typer.Context,
    hidden: Annotated[bool, typer.Option("--hidden", help="Hidden people too.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with everybody's faces.", metavar="FILE")] = None,
    json: Json = False,
) -> None:
    """Everybody who was recognised, those in most pictures first."""
    with opened(context) as vault:
        found = told.people(vault, hidden=hidden)
        if html is not None:
            write_people(vault, found, html)
    if json:
        print_json({"items": [_plain(each) for each in found]})
        return
    if html is not None:
        out.print(f"{len(found)} people on {html}")
        return
    rows = [
        (each.person[:8], each.name or "", each.faces, each.pictures, "hidden" if each.hidden else "") for each in found
    ]
    table(None, ("person", "name", ">faces", ">pictures", ""), rows)


def _plain(each: told.Listed) -> dict[str, Any]:
    cover = {"asset": each.cover[0], "face": each.cover[1]} if each.cover else None
    return {
        "person": each.person,
        "name": each.name,
        "hidden": each.hidden,
        "faces": each.faces,
        "pictures": each.pictures,
        "cover": cover,
        "merged": list(each.merged),
    }


@people.command()
@anywhere
def name(
    context: typer.Context,
    person: Who,
    called: Annotated[str, typer.Argument(metavar="NAME", help="What to call them.")],
    json: Json = False,
) -> None:
    """Give a person a name."""
    with opened(context) as vault:
        found = told.find_person(vault, person)
        _say(json, told.name(vault, found, called), found.id, f"{found.id[:8]} is {called}")


@people.command()
@anywhere
def hide(
    context: typer.Context,
    person: Who,
    show: Annotated[bool, typer.Option("--show", help="List it again.")] = False,
    json: Json = False,
) -> None:
    """Leave a person out of lists."""
    with opened(context) as vault:
        found = told.find_person(vault, person)
        _say(json, told.hide(vault, found, hidden=not show), found.id, "shown" if show else "hidden")


@people.command()
@anywhere
def merge(
    context: typer.Context,
    person: Who,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The person that it is.")],
    force: Annotated[bool, typer.Option("--force", help="Also when a picture shows both.")] = False,
    json: Json = False,
) -> None:
    """Two persons are the same."""
    with opened(context) as vault:
        one, other = told.find_person(vault, person), told.find_person(vault, into)
        _say(json, told.merge(vault, one, other, force=force), other.id, f"{one.id[:8]} is {other.id[:8]}")


@people.command()
@anywhere
def split(
    context: typer.Context,
    person: Who,
    faces: Annotated[list[str], typer.Argument(metavar="ASSET:FACE...", help="The faces that are another's.")],
    json: Json = False,
) -> None:
    """Some faces of a person are another's: a new person."""
    named = []
    for each in faces:
        asset, _, face = each.rpartition(":")
        if not asset or not face.isdecimal():
            raise InvalidInput(f"{each!r} names no face: it takes ASSET:FACE, e.g. khnafpjh:0")
        named.append((asset, int(face)))
    with opened(context) as vault:
        new = told.split(vault, told.find_person(vault, person), named)
    _say(json, True, new, f"the new person is {new[:8]}")


@people.command()
@anywhere
def reject(context: typer.Context, asset: Asset, face: Face = 0, json: Json = False) -> None:
    """This face is not the person that it is taken for; it will never be again."""
    with opened(context) as vault:
        was = told.reject(vault, asset, face)
    _say(json, True, was, f"face {face} is not {was[:8]}")


@people.command()
@anywhere
def undo(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="PERSON|ASSET", help="A person, or an asset with rejected faces.")],
    asset: Annotated[bool, typer.Option("--asset", help="It is an asset: take back what was rejected there.")] = False,
    json: Json = False,
) -> None:
    """Take back the newest decision about a person, or every "not this person" of a picture."""
    with opened(context) as vault:
        if asset:
            undone = told.undo_rejection(vault, what)
            _say(json, bool(undone), what, f"{number(len(undone), 'rejection')} taken back")
            return
        found = told.find_person(vault, what, follow=False)
        told.undo(vault, found)
        _say(json, True, found.id, "taken back")


def _say(json: bool, changed: bool, person: str, text: str) -> None:
    if json:
        print_json({"changed": changed, "person": person})
    else:
        out.print(text if changed else "nothing to change", markup=False)  # a name may look like markup


@people.command()
@anywhere
def cluster(context: typer.Context, json: Json = False) -> None:
    """Look again at people who may be one, and at faces that are nobody's: near to somebody, or together a person."""
    with opened(context) as vault:
        done = cluster_faces(vault, vault.settings.owner)
    if json:
        print_json({name: getattr(done, name) for name in ("assigned", "people", "left", "merged")})
        return
    out.print(f"{done.assigned} faces assigned, {done.people} people found, {done.left} faces are still nobody's")
    if done.merged:
        out.print(
            f"{done.merged} people are somebody who is there already: `photovault people undo` parts them for good"
        )


@people.command()
@anywhere
def together(
    context: typer.Context,
    persons: Annotated[list[str], typer.Argument(metavar="PERSON...", help="Names or ids.")],
    json: Json = False,
) -> None:
    """Pictures that show all of these people."""
    with opened(context) as vault:
        found = told.together(vault, [told.find_person(vault, each) for each in persons])
    if json:
        print_json({"items": [{"asset": each.asset, "file_name": each.file_name} for each in found]})
        return
    table(None, ("asset", "file"), [(each.asset[:8], each.file_name) for each in found])


@people.command()
@anywhere
def who(context: typer.Context, asset: Asset, json: Json = False) -> None:
    """Who is in a picture."""
    with opened(context) as vault:
        shown = told.who(vault, asset)
    if json:
        print_json(shown)
        return
    rows = [
        (
            f["face"],
            (f["person"] or "")[:8],
            f["name"] or "",
            f["by"] or "",
            f"{f['score']:.2f}",
            ", ".join(f["doubts"]),
        )
        for f in shown["faces"]
    ]
    table(None, (">face", "person", "name", "by", ">score", "doubts"), rows)


@people.command()
@anywhere
def like(context: typer.Context, asset: Asset, face: Face = 0, json: Json = False) -> None:
    """More faces like this one, nearest first."""
    with opened(context) as vault:
        found = told.like(vault, asset, face)
    if json:
        print_json({"items": found})
        return
    rows = [(f["asset"][:8], f["face"], f"{f['distance']:.2f}", (f["person"] or "")[:8]) for f in found]
    table(None, ("asset", ">face", ">distance", "person"), rows)
