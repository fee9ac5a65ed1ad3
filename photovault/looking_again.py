"""When faces that are nobody's are looked at again unasked: once a day at most, and only where something has changed.

A service is paid for each face that it is asked about; so with one an owner's faces must have grown by a share before
it is asked about all that are nobody's (`domain.people.FaceMemory.growth`): what a face costs is then bounded by how
often the library grows so, not by the days it exists.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from msgspec import Struct, structs

from domain.commits import to_us
from domain.ports import Checkpoints
from photovault.clustering import Clustered, FaceVault, cluster_faces
from photovault.face_keys import agreed_owners

__all__ = ["LOOK_EVERY", "Last", "LookedAgain", "last_look", "look_again", "look_at_everybody"]

LOOK_EVERY = timedelta(days=1)
_SLACK = timedelta(hours=1)  # a schedule's runs are not exactly a day apart
_KIND = "faces-looked-at"


class LookedAgain(Struct):
    """What one run came to."""

    owners: int = 0  # who have agreed
    looked: int = 0  # of them, whose faces were looked at
    assigned: int = 0
    people: int = 0
    merged: int = 0  # people who were founded apart and are one
    tidied: int = 0  # faces of a collection that no picture has any more
    failed: int = 0
    whole: bool = True  # whether the time was enough for all
    errors: list[str] = []


class Last(Struct, frozen=True):
    """An owner's last look: when, what there was after it, and why it did not come to its end."""

    at_us: int = 0
    faces: int = 0
    left: int = 0
    error: str | None = None


class Agreed(FaceVault, Protocol):
    """A vault with faces, and with what tells whose turn it is."""

    @property
    def checkpoints(self) -> Checkpoints:
        """The system's own small documents."""
        ...


_decode = msgspec.msgpack.Decoder(Last).decode
_encode = msgspec.msgpack.Encoder().encode


def look_at_everybody(vault: Agreed, now: datetime, more: Callable[[], bool] = lambda: True) -> LookedAgain:
    """Look at the faces of all owners who have agreed, those first whose last look is longest ago, while there is time
    for more. An owner's failure (a view that is not built, a cap that is reached) is the others' no concern.

    Cost:
        1 read of all keys, and for each owner a read; for each whose turn it is what `look_again` costs.
    """
    owners = agreed_owners(vault.checkpoints)
    done = LookedAgain(owners=len(owners))
    turns = sorted((last.at_us, owner) for owner in owners if (last := last_look(vault, owner)).at_us <= _due_us(now))
    for _, owner in turns:
        if not more():
            done.whole = False
            break
        try:
            done.tidied += vault.people.tidy(owner)
            found = look_again(vault, owner, now)
        except Exception as error:  # what goes wrong is kept with the owner's last look, and tried again tomorrow
            done.failed += 1
            said = f"{type(error).__name__}: {error}"[:500]
            done.errors.append(said)
            _save(vault, owner, structs.replace(last_look(vault, owner), at_us=to_us(now), error=said))
            continue
        done.looked += found is not None
        done.assigned += found.assigned if found else 0
        done.people += found.people if found else 0
        done.merged += found.merged if found else 0
    return done


def look_again(vault: Agreed, owner: str, now: datetime) -> Clustered | None:
    """Look at one owner's faces that are nobody's, if enough has changed since the last look; None: not enough.

    Cost:
        1 read for 1,000 pictures with faces; then what `cluster_faces` costs.
    """
    last = last_look(vault, owner)
    faces, left = _count(vault, owner)
    grown = faces >= last.faces * (1 + vault.people.growth) if vault.people.growth else True
    if not left or not grown or (faces, left) == (last.faces, last.left):
        _save(vault, owner, Last(to_us(now), last.faces, last.left))
        return None
    _save(vault, owner, Last(to_us(now), faces, left))  # a look that is cut off by the month's cap counts: it was paid
    found = cluster_faces(vault, owner)
    _save(vault, owner, Last(to_us(now), faces, left - found.assigned))
    return found


def _count(vault: Agreed, owner: str) -> tuple[int, int]:
    """How many faces there are, and how many of them are nobody's."""
    faces = left = 0
    for state in vault.people.shown(owner):
        faces += len(state.faces)
        left += sum(face.person is None for face in state.faces)
    return faces, left


def _due_us(now: datetime) -> int:
    return to_us(now - LOOK_EVERY + _SLACK)


def last_look(vault: Agreed, owner: str) -> Last:
    """When an owner's faces were looked at, and what came of it. Cost: 1 read."""
    entry = vault.checkpoints.load(_KIND, owner)
    return _decode(entry.value) if entry else Last()


def _save(vault: Agreed, owner: str, last: Last) -> None:
    vault.checkpoints.save(_KIND, owner, _encode(last), expected=None)
