"""The periodic look: whether people are one who were founded apart (`merging.py`); then at the faces that are nobody's,
whether somebody near has come since, and whether many of them together are a person (HDBSCAN where there are vectors,
else who is near to whom). What is somebody's stays
so: nothing automatic moves a face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from adapters.ml.nearest import vectors_of
from domain.asset import Asset, asset_stream, fold
from domain.commits import Cause, derive_id
from domain.errors import ConflictError, NotFound
from domain.events import Event, FaceAssigned
from domain.eventstore import EventStore
from domain.faces import VECTOR_BYTES
from domain.people import Neighbour, choose, gathered, person_id, starred
from photovault.merging import merge_found
from steps.identify import root

if TYPE_CHECKING:
    from photovault.face_collection import CollectedFaces
    from photovault.face_memory import KeptFaces

__all__ = ["LEAST_FACES", "MAX_FACES", "Clustered", "FaceVault", "cluster_faces"]

LEAST_FACES = 3
"""Faces, each in a picture of its own, that found a person together although none is good enough to do so alone."""

MAX_FACES = 20_000
"""Faces that are clustered at once; more wait for the next time."""


class FaceVault(Protocol):
    """A vault with faces: `photovault.vault.Vault`, or `photovault.aws.cloud.Cloud`."""

    @property
    def store(self) -> EventStore:
        """The history."""
        ...

    @property
    def people(self) -> KeptFaces | CollectedFaces:
        """Faces by nearness."""
        ...


class Clustered(Struct, frozen=True):
    """What one look has done."""

    assigned: int
    people: int
    left: int
    merged: int = 0


class _Loose(Struct, frozen=True):
    asset: str
    face: int
    vector: bytes


_Near = dict[tuple[str, int], Sequence[Neighbour]]


def cluster_faces(vault: FaceVault, owner: str) -> Clustered:
    """Look at an owner's faces that are nobody's.

    Raises:
        ViewUnavailable: the view of faces is not built.
        ServicePaused: the month's cap of the service is reached; what was assigned before stays so.
    Cost:
        One search a face, also of people with few faces (with Rekognition each is paid); HDBSCAN on what is left.
    """
    key = vault.people.key(owner)
    if key is None:
        return Clustered(0, 0, 0)
    merged = merge_found(vault.store, vault.people, owner)  # first: the view does not yet show what comes below
    loose = _loose(vault, owner, key)
    assigned, rest = 0, []
    by_asset: dict[str, list[_Loose]] = {}
    for each in loose:
        by_asset.setdefault(each.asset, []).append(each)
    around: _Near = {}
    for asset, faces in by_asset.items():
        try:
            near = vault.people.near(owner, asset, b"".join(each.vector for each in faces)).faces
        except NotFound:
            continue  # found anew since the view was read, or gone from the collection
        given = _give_near(vault, owner, asset, faces, near)
        assigned += len(given)
        rest += [each for each in faces if each.face not in given]
        around |= {(asset, each.face): some for each, some in zip(faces, near, strict=True)}
    people = 0
    for group in _groups(rest[:MAX_FACES], around):
        first = group[0]
        person = person_id(asset_stream(owner, first.asset), derive_id("cluster", first.asset, first.face), first.face)
        cause = _cause(derive_id(owner, "discover", person), person)
        vault.people.discover(owner, person, first.asset, first.face, cause)
        made = sum(_assign(vault, owner, each.asset, each.face, person) for each in group)
        assigned += made
        people += made > 0
    return Clustered(assigned, people, len(loose) - assigned, merged)


def _loose(vault: FaceVault, owner: str, key: str) -> list[_Loose]:
    size, found = vault.people.size, []
    for state in vault.people.shown(owner):
        loose = [n for n, face in enumerate(state.faces) if face.person is None]
        data = vault.people.unseal(owner, state.asset, key, state.sealed or "") if loose and state.key == key else None
        if data is not None and len(data) == len(state.faces) * size:  # else another recogniser found them
            found += [_Loose(state.asset, n, part) for n in loose if any(part := data[n * size : (n + 1) * size])]
    return found


def _give_near(
    vault: FaceVault, owner: str, asset: str, faces: Sequence[_Loose], near: Sequence[Sequence[Neighbour]]
) -> dict[int, str]:
    """Faces of one picture that are near to somebody; whom they were given to."""

    def whose(person: str | None) -> str | None:
        return root(vault.people, owner, person) if person else None

    resolved = [[Neighbour(n.asset, n.face, n.distance, whose(n.person)) for n in each] for each in near]
    state = _asset(vault, owner, asset)
    refused = {(face, whose(person)) for face, person in state.rejected}
    taken = {top for each in state.people.values() if (top := whose(each.person))}
    chosen = choose(resolved, lambda i, person: (faces[i].face, person) in refused, taken)
    return {
        faces[c.face].face: c.person
        for c in chosen
        if _assign(vault, owner, asset, faces[c.face].face, c.person, c.distance)
    }


def _groups(loose: Sequence[_Loose], around: _Near) -> list[list[_Loose]]:
    """Faces that may found a person together."""
    assets = [each.asset for each in loose]
    if loose and len(loose[0].vector) != VECTOR_BYTES:  # what tells them apart is not here: only who is near is known
        places = {(each.asset, each.face): place for place, each in enumerate(loose)}
        near = [
            {places[n.asset, n.face]: n.distance for n in around[each.asset, each.face] if (n.asset, n.face) in places}
            for each in loose
        ]
        return [[loose[i] for i in members] for members in starred(near, assets, LEAST_FACES)]
    if len(loose) < 2 * LEAST_FACES:
        return []
    import numpy as np

    from adapters.ml.density import density_clusters

    vectors = np.concatenate([vectors_of(each.vector) for each in loose])
    rows: list[list[float]] = vectors.tolist()
    labels = density_clusters(vectors, metric="euclidean", min_cluster_size=LEAST_FACES).labels
    return [[loose[i] for i in members] for members in gathered(labels.tolist(), assets, rows, LEAST_FACES)]


def _assign(vault: FaceVault, owner: str, asset: str, face: int, person: str, distance: float | None = None) -> bool:
    """Give a face to a person, by the same rules as ever; whether it was given."""
    stream = asset_stream(owner, asset)
    top = root(vault.people, owner, person)
    while True:
        loaded = vault.store.load(stream)
        state = fold(stream, loaded.events)
        others = {root(vault.people, owner, each.person) for each in state.people.values()}
        refused = {root(vault.people, owner, each) for number, each in state.rejected if number == face}
        if face in state.people or top in others or top in refused or state.faces is None:
            return False
        event: Event = FaceAssigned(
            face=face,
            person=person,
            by="cluster",
            distance=None if distance is None else round(distance, 4),
        )
        cause = _cause(derive_id("cluster", stream, loaded.token, face), state.correlation_id)
        try:
            vault.store.append(stream, [event], loaded.token, cause)
        except ConflictError:
            continue
        return True


def _asset(vault: FaceVault, owner: str, asset: str) -> Asset:
    stream = asset_stream(owner, asset)
    return fold(stream, vault.store.load(stream).events)


def _cause(commit_id: str, correlation_id: str) -> Cause:
    return Cause(commit_id=commit_id, actor="clustering", correlation_id=correlation_id)
