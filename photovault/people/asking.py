"""What is asked of people: who there is, who is in a picture, where they are together, whose face is like another.

Each answer checks the agreement first: without it there is nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from domain import person as persons
from domain.asset import Asset, fold
from domain.commits import split_stream
from domain.errors import InvalidInput, NotFound
from domain.person import Person
from domain.query import plain_words
from photovault.finding import find_asset
from photovault.owned import OwnedVault
from projections.people import Faces, PeopleView, Shown, asset_in, person_range
from projections.serving import served
from steps.identify import root

__all__ = [
    "Listed",
    "agreed",
    "asset_now",
    "everybody",
    "face_of",
    "find_person",
    "keys",
    "like",
    "members_of",
    "people",
    "pictures",
    "together",
    "who",
]

_PAGE = 1000
_faces = Faces()
_people = PeopleView()


class Listed(Struct, frozen=True):
    """A person with what belongs to it, merged persons' faces included."""

    person: str
    name: str | None
    hidden: bool
    faces: int
    pictures: int
    cover: tuple[str, int] | None  # asset and face
    merged: tuple[str, ...] = ()


def people(vault: OwnedVault, *, hidden: bool = False) -> list[Listed]:
    """Everybody with a face, those in most pictures first."""
    agreed(vault)
    every = everybody(vault)
    groups: dict[str, list[str]] = {}
    for each in every.values():
        groups.setdefault(_top(every, each.id), []).append(each.id)
    found = [_listed(vault, every[top], sorted(members)) for top, members in groups.items() if top in every]
    shown = [each for each in found if each.faces and (hidden or not each.hidden)]
    return sorted(shown, key=lambda each: (-each.pictures, each.name or "~", each.person))


def _listed(vault: OwnedVault, person: Person, members: Sequence[str]) -> Listed:
    shown = pictures(vault, members)
    faces = [(state, n) for state in shown for n, face in enumerate(state.faces) if face.person in members]
    good = max(faces, key=lambda f: (not f[0].faces[f[1]].doubts, f[0].faces[f[1]].width, f[0].asset), default=None)
    founder = next((f for f in faces if (f[0].asset, f[1]) == (person.asset, person.face)), None)
    cover = founder or good
    return Listed(
        person.id,
        person.now.name,
        person.now.hidden,
        len(faces),
        len(shown),
        (cover[0].asset, cover[1]) if cover else None,
        tuple(each for each in members if each != person.id),
    )


def pictures(vault: OwnedVault, members: Sequence[str]) -> list[Shown]:
    """Pictures that show any of these persons (ids as recorded, merges not followed), by asset."""
    owner = vault.settings.owner
    _, table = vault.generations.active(Faces.name)
    assets = sorted({asset_in(key) for member in members for key in keys(vault, *person_range(member))})
    rows = vault.views.get(table, [(owner, asset) for asset in assets])
    return [_faces.decode(row.data) for row in rows if row is not None and not row.deleted]


def together(vault: OwnedVault, wanted: Sequence[Person]) -> list[Shown]:
    """Pictures that show all of these persons."""
    agreed(vault)
    every = everybody(vault)
    sets = [{state.asset: state for state in pictures(vault, members_of(every, each.id))} for each in wanted]
    both = set.intersection(*map(set, sets)) if sets else set()
    return [sets[0][asset] for asset in sorted(both)]


def members_of(every: dict[str, Person], person: str) -> list[str]:
    """A person and all who were merged into it."""
    return [each for each in every if _top(every, each) == person]


def who(vault: OwnedVault, asset: str) -> dict[str, Any]:
    """The faces of a picture with the persons they are; no picture where the policy withholds it."""
    agreed(vault)
    stream = find_asset(vault, asset)
    _, table = vault.generations.active(Faces.name)
    row = vault.views.get(table, [(vault.settings.owner, split_stream(stream)[2])])[0]
    if row is None or row.deleted:
        return {"asset": split_stream(stream)[2], "faces": []}
    shown = served(_faces, row, vault.locate, vault.settings.serving)
    for face in shown["faces"]:
        top = root(vault.people, vault.settings.owner, face["person"]) if face["person"] else None
        face["person"] = top
        face["name"] = vault.people.person(vault.settings.owner, top).now.name if top else None
    return shown


def like(vault: OwnedVault, asset: str, face: int) -> list[dict[str, Any]]:
    """Faces of other pictures that are near to this one, nearest first."""
    agreed(vault)
    owner = vault.settings.owner
    found = asset_now(vault, find_asset(vault, asset))
    detected = face_of(found, face)
    assert detected.faces is not None
    record = detected.faces
    data = vault.people.unseal(owner, found.id, record.key or "", record.sealed or "")
    if data is None:
        raise NotFound("what tells this face apart can't be read any more: it was forgotten")
    if len(data) != len(record.faces) * vault.people.size:
        raise InvalidInput("this face was found by another recogniser than the one in use: reprocess the step faces")
    size = vault.people.size
    near = vault.people.near(owner, found.id, data[face * size : (face + 1) * size]).faces[0]
    return [{"asset": n.asset, "face": n.face, "distance": round(n.distance, 4), "person": n.person} for n in near]


def find_person(vault: OwnedVault, text: str, *, follow: bool = True) -> Person:
    """A person by id, the beginning of one, or name; where merges lead to unless they are not to be followed.

    Raises:
        NotFound: nobody is called so.
        InvalidInput: several are.
    """
    agreed(vault)
    every = everybody(vault)
    said = " ".join(text.split()).casefold()
    tops = {_top(every, each) if follow else each for each in every}
    named = [each for each in sorted(tops) if (every[each].now.name or "").casefold() == said]
    if not named and (words := plain_words(text)):  # a search has no punctuation: `person:anna-maria`
        named = [each for each in sorted(tops) if plain_words(every[each].now.name or "") == words]
    begun = sorted({_top(every, each) if follow else each for each in every if text and each.startswith(text)})
    found = named or begun
    if not found:
        raise NotFound(f"there is no person {text!r}: `photovault people list --hidden` lists those there are")
    if len(found) > 1:
        raise InvalidInput(f"several persons are called {text!r}: {', '.join(found)}; give an id")
    return every[found[0]]


# --- what decisions ask, too -----------------------------------------------------------------------------------------


def agreed(vault: OwnedVault) -> None:
    if vault.people.key(vault.settings.owner) is None:
        raise InvalidInput("face recognition is off: `photovault faces agree` switches it on")


def everybody(vault: OwnedVault) -> dict[str, Person]:
    _, table = vault.generations.active(PeopleView.name)
    found: dict[str, Person] = {}
    cursor: str | None = None
    while True:
        page = vault.views.query(table, vault.settings.owner, limit=_PAGE, cursor=cursor)
        for row in page.rows:
            state = _people.decode(row.data)
            if state.known:
                found[state.id] = state
        cursor = page.cursor
        if cursor is None:
            return found


def _top(every: dict[str, Person], person: str) -> str:
    for _ in range(persons.MAX_HOPS):
        following = every[person].now.into if person in every else None
        if following is None:
            return person
        person = following
    return person


def keys(vault: OwnedVault, low: str, high: str) -> Iterator[str]:
    _, table = vault.generations.active(Faces.name)
    cursor: str | None = None
    while True:
        page = vault.views.query(table, vault.settings.owner, low=low, high=high, limit=_PAGE, cursor=cursor)
        yield from (row.key for row in page.rows)
        cursor = page.cursor
        if cursor is None:
            return


def asset_now(vault: OwnedVault, stream: str) -> Asset:
    return fold(stream, vault.store.load(stream).events)


def face_of(asset: Asset, face: int) -> Asset:
    count = len(asset.faces.faces) if asset.faces else 0
    if not 0 <= face < count:
        raise InvalidInput(f"asset {asset.id} has {count} faces, numbered from 0: there is no face {face}")
    return asset
