"""embed: one vector of the words that are known; the same words cost no call."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from domain.asset import begin, fold
from domain.embedding import SKETCH, combined, sketched, weighted_texts
from domain.events import AssetEmbedded, AssetTagged, ReprocessRequested, StepSkipped
from domain.recognition import Box, ModelUse, Recognised, Tag
from steps import Recognition
from steps.catalogue import STEP_FUNCTIONS
from steps.embed import embed
from steps.worker import Worker
from tests.support.factories import (
    STREAM,
    append,
    fake_photo,
    metadata,
    recorded,
    reprocess,
    run,
    sidecar,
    uploaded,
    validated,
)
from tests.support.fakes import MemoryVault, work

TAGGED = AssetTagged(
    run=run("tags"),
    tags=(
        Tag("beach", "scene", 0.8, "m 1"),
        Tag("dog", "object", 0.6, "m 1"),
        Tag("person", "object", 0.9, "d 1", Box(0, 0, 1, 1)),
    ),
    models=(ModelUse("m", "1"),),
)


class Letters:
    """An embedder whose vectors count letters: a real function of the text, with a count of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @property
    def model(self) -> ModelUse:
        return ModelUse("letters", "1")

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.asked += texts
        vectors = [[1.0 + text.count(letter) for letter in "abdgo"] for text in texts]
        return [[x / math.hypot(*vector) for x in vector] for vector in vectors]


class Sees:
    """Tags every picture as a beach."""

    models = (ModelUse("m", "1"),)

    def tag(self, pictures: Sequence[Path]) -> Sequence[Recognised]:
        return [Recognised((Tag("beach", "scene", 0.8, "m 1"),), self.models) for _ in pictures]


def test_labels_weigh_as_the_model_is_sure_and_located_things_a_little() -> None:
    assert weighted_texts(TAGGED, None) == [("beach", 0.8), ("dog", 0.6), ("person", 0.3)]
    written = weighted_texts(None, metadata(description="Grandma", keywords=("lake", "boat")))
    assert written == [("Grandma", 1.0), ("lake, boat", 1.0)]
    assert weighted_texts(None, metadata()) == []


def test_the_vector_is_the_weighted_sum_and_of_length_one() -> None:
    made = combined([("a", 3.0), ("b", 4.0)], [[1.0, 0.0], [0.0, 1.0]])
    assert made == pytest.approx([0.6, 0.8])


def test_the_same_words_are_not_embedded_again() -> None:
    with MemoryVault() as vault:
        texts = Letters()
        ports = msgspec.structs.replace(vault.ports, recognises=Recognition(texts=texts))
        history = [[uploaded()], [validated()], [metadata()], [TAGGED]]
        asset = fold(STREAM, recorded(*history))
        attempt = begin(asset, "embed")
        assert attempt is not None
        [first] = embed(asset, attempt, ports)
        assert isinstance(first, AssetEmbedded)
        assert len(vault.blobs.get(first.vector)) == 2 * first.dimensions == 10
        asked = len(texts.asked)
        again = fold(STREAM, recorded(*history, [first], [reprocess("embed")]))
        attempt = begin(again, "embed")
        assert attempt is not None
        [second] = embed(again, attempt, ports)
        assert msgspec.structs.replace(second, run=first.run) == first
        assert len(texts.asked) == asked


def test_without_a_model_or_words_it_is_skipped_and_says_what_to_do() -> None:
    with MemoryVault() as vault:
        nothing_seen = msgspec.structs.replace(TAGGED, tags=())
        asset = fold(STREAM, recorded([uploaded()], [validated()], [metadata()], [nothing_seen]))
        attempt = begin(asset, "embed")
        assert attempt is not None
        [skipped] = embed(asset, attempt, vault.ports)
        assert isinstance(skipped, StepSkipped)
        assert "photovault models install" in skipped.reason
        [skipped] = embed(asset, attempt, msgspec.structs.replace(vault.ports, recognises=Recognition(texts=Letters())))
        assert isinstance(skipped, StepSkipped)
        assert "in words" in skipped.reason


def _embedded(vault: MemoryVault) -> list[AssetEmbedded]:
    return [r.event for r in vault.store.load(STREAM).events if isinstance(r.event, AssetEmbedded)]


def _xmp(vault: MemoryVault, caption: str, stars: int = 1) -> None:
    described = f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{caption}</rdf:li></rdf:Alt></dc:description>'
    data = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        f'xmp:Rating="{stars}">{described if caption else ""}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()
    key = vault.blobs.put(data)
    append(vault.store, STREAM, [sidecar(blob=key, sha256=key)])
    work(vault)


def test_a_caption_that_comes_later_is_embedded_and_one_that_goes_is_forgotten() -> None:
    with MemoryVault() as vault:
        texts = Letters()
        vault.worker = Worker(
            STEP_FUNCTIONS, msgspec.structs.replace(vault.ports, recognises=Recognition(texts=texts, tagger=Sees()))
        )
        key = vault.blobs.put(fake_photo("a"))
        append(vault.store, STREAM, [uploaded(blob=key, sha256=key)])
        work(vault)
        [by_tags] = _embedded(vault)
        _xmp(vault, "Grandma")
        assert texts.asked[-1] == "Grandma"
        asked = len(texts.asked)
        assert _embedded(vault)[-1].words_sha256 != by_tags.words_sha256
        _xmp(vault, "Grandma", stars=5)
        assert len(texts.asked) == asked
        _xmp(vault, "")
        assert _embedded(vault)[-1].words_sha256 == by_tags.words_sha256
        assert any(isinstance(each.event, ReprocessRequested) for each in vault.store.load(STREAM).events)


def test_without_a_tagger_a_caption_alone_is_embedded() -> None:
    with MemoryVault() as vault:
        texts = Letters()
        vault.worker = Worker(STEP_FUNCTIONS, msgspec.structs.replace(vault.ports, recognises=Recognition(texts=texts)))
        key = vault.blobs.put(fake_photo("a"))
        append(vault.store, STREAM, [uploaded(blob=key, sha256=key)])
        work(vault)
        assert "embed" not in fold(STREAM, vault.store.load(STREAM).events).steps
        _xmp(vault, "Grandma")
        assert texts.asked == ["Grandma"]
        assert len(_embedded(vault)) == 1


def test_a_sketch_keeps_what_is_alike_near_and_the_rest_apart() -> None:
    def vector(seed: int, shift: float = 0.0) -> bytes:
        dice, other = random.Random(seed), random.Random(99)
        return struct.pack("<1280e", *(max(0.0, dice.gauss(0, 1)) + shift * other.random() for _ in range(1280)))

    def cosine(a: bytes, b: bytes) -> float:
        return sum(x * y for x, y in zip(*(struct.unpack(f"<{SKETCH}e", each) for each in (a, b)), strict=True))

    first, similar, different = (sketched(each) for each in (vector(1), vector(1, 0.3), vector(2)))
    assert len(first) == 2 * SKETCH
    assert cosine(first, first) == pytest.approx(1, abs=0.01)
    assert cosine(first, similar) > 0.9
    assert cosine(first, different) < 0.6
