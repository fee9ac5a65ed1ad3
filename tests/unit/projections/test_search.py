"""Search documents: what an asset is found by, and when it is found at all."""

from __future__ import annotations

from domain.events import AssetEmbedded, AssetTagged
from domain.recognition import ModelUse, Tag
from domain.search import Document, file_words, fused
from projections.search import Search, SearchRow
from tests.support.factories import metadata, place, quarantined, recorded, run, sha, uploaded, validated
from tests.support.specs import Projected

TAGGED = AssetTagged(
    run=run("tags"),
    tags=(Tag("golden retriever", "object", 0.9, "m 1"), Tag("beach", "scene", 0.6, "m 1")),
    models=(ModelUse("m", "1"),),
)
EMBEDDED = AssetEmbedded(
    run=run("embed"), vector=sha("v"), dimensions=2, words_sha256=sha("w"), model=ModelUse("t", "1")
)


def document_of(*events: object) -> Document | None:
    state = SearchRow()
    for each in recorded(list(events)):  # type: ignore[arg-type]
        state = Search().evolve(state, each)
    return Search().document(state)


def test_a_row_says_the_same_however_its_events_are_delivered() -> None:
    Projected(Search()).given(
        "a1", [uploaded()], [validated()], [metadata(keywords=("holiday",), rating=5)], [place()], [TAGGED], [EMBEDDED]
    ).then_version("a1", 6)


def test_a_document_holds_what_is_known() -> None:
    found = document_of(uploaded(), validated(), metadata(rating=4), place(), TAGGED, EMBEDDED)
    assert found is not None
    assert (found.city, found.country, found.camera) == ("Rome", "Italy", "Canon EOS 40D")
    assert found.tags == ("golden retriever", "beach")
    assert {"dog", "animal"} <= set(found.parents)
    assert set(found.flags) == {"favourite", "located", "rated"}
    assert found.vector == sha("v")


def test_new_metadata_forgets_the_place_of_a_position_before() -> None:
    found = document_of(uploaded(), validated(), metadata(), place(), metadata(position=None))
    assert found is not None
    assert (found.city, found.latitude) == ("", None)


def test_what_is_not_validated_or_is_refused_is_not_found() -> None:
    assert document_of(uploaded()) is None
    assert document_of(uploaded(), validated(), metadata(), quarantined()) is None


def test_the_words_of_a_files_name() -> None:
    assert file_words("IMG_BeachParty2.jpg") == ("img", "beach", "party", "2")
    assert file_words("weihnachten-größe.HEIC")[0] == "weihnachten"


def test_two_rankings_become_one_and_what_both_name_wins() -> None:
    scores = fused([[1, 2, 3], [3, 4]])
    assert max(scores, key=scores.__getitem__) == 3
    assert scores[1] > scores[2] > 0
