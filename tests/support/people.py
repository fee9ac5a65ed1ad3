"""Faces without a model: who is in a picture is written on it, and a person's faces lie around a place of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from domain.asset import asset_stream, fold
from domain.faces import Face, FoundFace, Look, Looked, Point
from domain.recognition import Box, ModelUse
from photovault.runtime import catch_up
from tests.support.factories import OWNER, append, fake_photo, uploaded
from tests.support.fakes import MemoryVault, work

NOISE = 0.2
"""Length of the difference between a face and its person's place; two faces are about 0.28 apart."""


def place_of(who: str) -> np.ndarray:
    """Where a person's faces lie: any two places are about 1.4 apart."""
    dice = np.random.default_rng(int.from_bytes(hashlib.sha256(who.encode()).digest()[:8]))
    place = dice.normal(size=128)
    return place / np.linalg.norm(place)


def vector(who: str, mark: str) -> np.ndarray:
    """One face of a person, the same for the same mark; `anna+0.3` looks as much less like Anna."""
    who, _, away = who.partition("+")
    dice = np.random.default_rng(int.from_bytes(hashlib.sha256(f"{who} {mark}".encode()).digest()[:8]))
    noise = dice.normal(size=128)
    aside = float(away or 0) * place_of(f"aside from {who}")
    return (place_of(who) + aside + NOISE * noise / np.linalg.norm(noise)).astype("<f4")


def face(left: float = 0.1, doubts: tuple[str, ...] = ()) -> Face:
    """A face at a place."""
    return Face(
        box=Box(left, 0.2, 0.1, 0.1),
        landmarks=(Point(left + 0.03, 0.23), Point(left + 0.07, 0.23)),
        score=0.99,
        pixels=100,
        sharpness=10.0,
        frontality=0.9,
        doubts=doubts,
    )


class ToldFaces:
    """`FaceAnalyzer` that is told who is in which picture; a name that ends with `?` is of a doubtful face."""

    def __init__(self, who: Mapping[str, Sequence[str]]) -> None:
        self.who = dict(who)
        self.calls = 0

    def analyze(self, look: Look) -> Looked:
        """By the mark of the picture."""
        self.calls += 1
        mark = look.picture.decode().partition(" of ")[2]
        found = [
            FoundFace(
                face(0.1 + 0.2 * i, ("blurred",) if who.endswith("?") else ()),
                vector(who.rstrip("?"), f"{mark} {i}").tobytes(),
            )
            for i, who in enumerate(self.who.get(mark, ()))
        ]
        return Looked(found, (ModelUse("told", "1"),))


def add_photo(vault: MemoryVault, mark: str, owner: str = OWNER) -> None:
    """A photo enters the vault."""
    blob = vault.blobs.put(fake_photo(mark))
    append(vault.store, asset_stream(owner, mark), uploaded(f"{mark}.jpg", blob=blob, sha256=None))


def vault_with(who: Mapping[str, Sequence[str]], *, agreed: bool = True, owner: str = OWNER) -> MemoryVault:
    """A vault that has worked through these pictures, one after the other."""
    vault = MemoryVault(faces=ToldFaces(who), owner=owner)
    fill(vault, who, agreed=agreed, owner=owner)
    return vault


def fill(vault: MemoryVault, marks: Iterable[str], *, agreed: bool = True, owner: str = OWNER) -> None:
    """Work through these pictures, one after the other."""
    if agreed:
        vault.people.agree(owner, "person:test")
    for mark in marks:
        add_photo(vault, mark, owner)
        work(vault)
    catch_up(vault)  # type: ignore[arg-type]


def clusters(vault: MemoryVault, owner: str = OWNER) -> set[frozenset[tuple[str, int]]]:
    """Faces by person, as the streams say (merges not followed)."""
    groups: dict[str, set[tuple[str, int]]] = {}
    for stream in {c.stream for c in vault.everything() if c.stream.startswith(f"{owner}#asset#")}:
        asset = fold(stream, vault.store.load(stream).events)
        for number, each in asset.people.items():
            groups.setdefault(each.person, set()).add((asset.id, number))
    return {frozenset(group) for group in groups.values()}
