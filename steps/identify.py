"""identify: whose the faces of a picture are, by the nearest faces that are known; a good face of a stranger founds a
person."""

from __future__ import annotations

from collections.abc import Sequence

from domain.asset import Asset, Attempt
from domain.commits import Cause, derive_id
from domain.errors import ServicePaused
from domain.events import Event, FaceAssigned, FacesIdentified, FaceUnassigned, StepSkipped
from domain.people import MAX_MERGES, FaceMemory, Nearest, Neighbour, choose, person_id
from steps import Ports

__all__ = ["identify", "root"]


def identify(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Search and decide while no other picture of the owner does; again, when another process was faster.

    A person that a lost race has founded stays without a face, and is shown nowhere.

    Cost:
        One search a face, and a load of a short stream for each person that is near.
    """
    detected, memory, owner = asset.faces, ports.people, asset.owner
    key = memory.key(owner) if memory else None
    if detected is None or memory is None or key is None or key != detected.key:
        return [StepSkipped(run=attempt.run(), reason="the agreement to face recognition was taken back")]
    if not detected.faces:
        return [FacesIdentified(run=attempt.run())]
    vectors = memory.unseal(owner, asset.id, key, detected.sealed or "")
    if vectors is None:
        return [StepSkipped(run=attempt.run(), reason="what tells these faces apart can't be read any more")]
    if len(vectors) != len(detected.faces) * memory.size:
        again = "these faces were found by another recogniser than the one in use: `photovault reprocess --step faces`"
        return [StepSkipped(run=attempt.run(), reason=again)]
    sealed = detected.sealed or ""
    with memory.deciding(owner):
        while True:
            try:
                near = memory.near(owner, asset.id, vectors)
            except ServicePaused as paused:
                return [StepSkipped(run=attempt.run(), reason=str(paused))]
            events = _decide(asset, attempt, memory, sealed, near)
            people = {n: each.person for n, each in asset.people.items() if each.by == "person"}
            people |= {event.face: event.person for event in events if isinstance(event, FaceAssigned)}
            if memory.remember(owner, asset.id, sealed, vectors, people):
                return events


def _decide(asset: Asset, attempt: Attempt, memory: FaceMemory, sealed: str, near: Nearest) -> list[Event]:
    assert asset.faces is not None
    owner, faces = asset.owner, asset.faces.faces
    roots: dict[str, str | None] = {}

    def whose(person: str | None) -> str | None:
        if person is None:
            return None
        if person not in roots:
            roots[person] = root(memory, owner, person)
        return roots[person]

    resolved = [
        [Neighbour(each.asset, each.face, each.distance, whose(each.person)) for each in neighbours]
        for neighbours in near.faces
    ]
    said = {n: each for n, each in asset.people.items() if each.by == "person"}
    refused = {(face, whose(person)) for face, person in asset.rejected} | set(asset.rejected)
    taken = {found for each in said.values() if (found := whose(each.person))}
    chosen = choose(resolved, lambda face, person: (face, person) in refused, taken, said)
    events: list[Event] = [
        FaceAssigned(face=choice.face, person=choice.person, by="nearest", distance=round(choice.distance, 4))
        for choice in chosen
    ]
    known = {choice.face for choice in chosen} | set(said)
    founded, gone = 0, taken | {choice.person for choice in chosen}
    for number, face in enumerate(faces):
        if number in known or face.doubts:
            continue
        before = asset.people.get(number)
        person = before.person if before and before.by == "founded" else person_id(asset.stream, sealed, number)
        theirs = whose(person) or person  # whom it was merged into since
        if (number, theirs) in refused or (number, person) in refused or theirs in gone:
            continue  # somebody said that even the person it founded is another, or another face here is theirs
        gone.add(theirs)
        cause = Cause(
            commit_id=derive_id(owner, "discover", person),
            actor=f"step:{attempt.step.name}",
            correlation_id=asset.correlation_id,
            causation_id=attempt.caused_by,
        )
        memory.discover(owner, person, asset.id, number, cause)
        events.append(FaceAssigned(face=number, person=person, by="founded"))
        founded += 1
    now = known | {event.face for event in events if isinstance(event, FaceAssigned)}
    events += [FaceUnassigned(face=n, person=each.person) for n, each in sorted(asset.people.items()) if n not in now]
    summary = FacesIdentified(
        run=attempt.run(),
        known=len(known),
        founded=founded,
        unknown=len(faces) - len(known) - founded,
        models=near.models,
    )
    return [summary, *events]


def root(memory: FaceMemory, owner: str, person: str) -> str | None:
    """The person that merges lead to; None when it is forgotten."""
    for _ in range(MAX_MERGES):
        found = memory.person(owner, person)
        if not found.known:
            return None
        if found.now.into is None:
            return person
        person = found.now.into
    return person
