"""What every `SearchIndex` does: no older document comes back, filters hold before ranking, owners never meet.

`SearchIndexContract` is the suite; `tests/contract/test_search_index.py` holds each adapter to it.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from domain.errors import InvalidInput, NotFound
from domain.ports import SearchIndex, ViewTable
from domain.query import parse
from domain.search import Document, Entry, Found

BLUE, GREEN = ViewTable("search", 1), ViewTable("search", 2)
TODAY = date(2026, 11, 24)


def document(**changes: Any) -> Document:
    """A dated picture."""
    fields: dict[str, Any] = {"file_name": "a.jpg", "kind": "image", "taken": "2019-06-21T10:00:00", "dated": True}
    return Document(**fields | changes)


def entry(asset: str, held: Document | None, version: int = 1, owner: str = "anna", at: Sequence[float] = ()) -> Entry:
    """A document, with a small vector."""
    return Entry(owner, asset, version, held, struct.pack(f"<{len(at)}e", *at) if at else None)


def assets(found: Found) -> list[str]:
    return [hit.asset for hit in found.hits]


class SearchIndexContract:
    """Subclasses give an `index` that holds an empty BLUE and an empty GREEN."""

    @pytest.fixture
    def index(self) -> SearchIndex:
        raise NotImplementedError

    def ask(self, index: SearchIndex, text: str, owner: str = "anna", **more: Any) -> list[str]:
        return assets(index.search(BLUE, owner, parse(text, TODAY), **more))

    def test_a_document_is_found_by_every_field_of_it(self, index: SearchIndex) -> None:
        held = document(
            file_name="IMG_BeachParty.jpg",
            description="Grandma laughing",
            keywords=("birthday",),
            tags=("golden retriever",),
            parents=("dog", "animal"),
            city="Lisbon",
            country="Portugal",
            camera="Canon EOS R6",
        )
        index.put(BLUE, [entry("a", held), entry("b", document(file_name="x.jpg", taken="2020-01-07T09:00:00"))])
        for text in (
            "party", "grandma", "birthday", "retriever", "animal", "lisbon", "portugal", "canon", "friday", "summer",
            '"golden retriever"', "tag:dog", "place:lisbon", "camera:eos", "june", "june 2019", "on:2019-06-21",
        ):  # fmt: skip
            assert self.ask(index, text) == ["a"], text

    def test_words_are_stemmed_begun_and_mended(self, index: SearchIndex) -> None:
        index.put(BLUE, [entry("a", document(tags=("bicycle",), description="running"))])
        for text in ("bicycles", "runs", "bicyc", "bicylce", "bicicle", "bycycle"):
            assert self.ask(index, text) == ["a"], text
        assert self.ask(index, "zebra") == []
        found = index.search(BLUE, "anna", parse("bicicle", TODAY))
        assert found.corrected == {"bicicle": ("bicycle",)}

    def test_accents_do_not_matter(self, index: SearchIndex) -> None:
        index.put(BLUE, [entry("a", document(city="Zürich"))])
        assert self.ask(index, "zurich") == self.ask(index, "place:ZÜRICH") == ["a"]

    def test_more_words_of_the_question_come_first(self, index: SearchIndex) -> None:
        index.put(
            BLUE,
            [
                entry("one", document(tags=("dog",))),
                entry("both", document(tags=("dog", "beach", "sea", "sky", "cloud"))),
                entry("other", document(tags=("beach",))),
            ],
        )
        assert self.ask(index, "dog beach")[0] == "both"
        assert set(self.ask(index, "dog beach")) == {"one", "both", "other"}

    def test_filters_hold_whatever_is_ranked(self, index: SearchIndex) -> None:
        index.put(
            BLUE,
            [
                entry("a", document(tags=("dog",), rating=5, flags=("favourite",)), at=(1, 0)),
                entry("b", document(tags=("dog", "cat"), kind="video", flags=("video",)), at=(1, 0)),
                entry("c", document(tags=("dog",), taken="2021-01-01T00:00:00"), at=(1, 0)),
            ],
        )
        for text, expected in {
            "dog -cat": {"a", "c"},
            "dog -tag:cat before:2020": {"a"},
            "dog type:video": {"b"},
            "dog is:favourite": {"a"},
            "dog -is:favourite": {"b", "c"},
            "dog after:2020": {"c"},
            "dog rating:4": {"a"},
            "dog month:january": {"c"},
        }.items():
            assert set(self.ask(index, text)) == expected, text
            assert set(self.ask(index, text, vector=(1.0, 0.0))) == expected, text
        assert self.ask(index, "dog", vector=(1.0, 0.0), only={"b"}) == ["b"]

    def test_near_is_a_circle_also_across_the_date_line(self, index: SearchIndex) -> None:
        index.put(
            BLUE,
            [
                entry("fiji", document(latitude=-17.0, longitude=179.99)),
                entry("east", document(latitude=-17.0, longitude=-179.99)),
                entry("corner", document(latitude=-17.09, longitude=179.9)),
                entry("nowhere", document()),
            ],
        )
        assert set(self.ask(index, "near:-17,180,5")) == {"fiji", "east"}
        assert set(self.ask(index, "near:-17,180,20")) == {"fiji", "east", "corner"}

    def test_meaning_finds_what_words_do_not_and_what_both_find_comes_first(self, index: SearchIndex) -> None:
        index.put(
            BLUE,
            [
                entry("words", document(description="hot drink"), at=(0, 1)),
                entry("meaning", document(tags=("espresso",)), at=(1, 0)),
                entry("both", document(description="hot drink"), at=(0.9, 0.43)),
                entry("neither", document(tags=("car",)), at=(-1, 0)),
            ],
        )
        found = index.search(BLUE, "anna", parse("hot drink", TODAY), vector=(1.0, 0.0), explain=True)
        assert assets(found)[0] == "both"
        assert set(assets(found)) == {"words", "meaning", "both"}
        why = {hit.asset: hit.reason for hit in found.hits}
        assert why["meaning"].lexical_rank is None
        assert why["meaning"].similarity == 1.0
        assert "text: drink" in why["both"].matched

    def test_like_is_an_assets_own_neighbourhood(self, index: SearchIndex) -> None:
        index.put(
            BLUE,
            [
                entry("aaa", document(), at=(1, 0)),
                entry("bbb", document(), at=(0.9, 0.4)),
                entry("ccc", document(), at=(0, 1)),
                entry("ddd", document()),
            ],
        )
        assert self.ask(index, "like:aaa") == ["bbb"]
        with pytest.raises(NotFound):
            self.ask(index, "like:zzz")
        with pytest.raises(InvalidInput, match="nothing is known yet"):
            self.ask(index, "like:ddd")

    def test_without_words_the_newest_come_first_and_pages_join(self, index: SearchIndex) -> None:
        days = [f"2019-06-{day:02}T10:00:00" for day in range(1, 21)]
        index.put(BLUE, [entry(f"a{i:02}", document(taken=day)) for i, day in enumerate(days)])
        seen: list[str] = []
        cursor = None
        while True:
            page = index.search(BLUE, "anna", parse("2019", TODAY), limit=7, cursor=cursor)
            seen += assets(page)
            assert page.total == 20
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == [f"a{i:02}" for i in reversed(range(20))]

    def test_a_cursor_is_of_its_own_search(self, index: SearchIndex) -> None:
        index.put(BLUE, [entry(f"a{i}", document(tags=("dog",))) for i in range(3)])
        cursor = index.search(BLUE, "anna", parse("dog", TODAY), limit=1).cursor
        for wrong in (cursor, "nonsense", "!"):
            with pytest.raises(InvalidInput, match="start again"):
                index.search(BLUE, "anna", parse("2019", TODAY), cursor=wrong)

    def test_facets_count_all_that_was_found(self, index: SearchIndex) -> None:
        index.put(
            BLUE,
            [
                entry("a", document(tags=("dog",), country="Italy", camera="X")),
                entry("b", document(tags=("dog",), country="Italy", taken="2020-01-01T00:00:00")),
                entry("c", document(tags=("cat",), country="Norway")),
            ],
        )
        found = index.search(BLUE, "anna", parse("dog", TODAY), limit=1)
        assert found.total == 2
        assert found.facets["country"] == {"Italy": 2}
        assert found.facets["year"] == {"2019": 1, "2020": 1}
        assert found.facets["camera"] == {"X": 1}

    def test_no_write_takes_a_document_back(self, index: SearchIndex) -> None:
        assert index.put(BLUE, [entry("a", document(tags=("dog",)), version=3)]) == 1
        assert index.put(BLUE, [entry("a", document(tags=("cat",)), version=2)]) == 0
        assert index.put(BLUE, [entry("a", document(tags=("cat",)), version=3)]) == 0
        assert (self.ask(index, "dog"), self.ask(index, "cat")) == (["a"], [])
        assert index.put(BLUE, [entry("a", document(tags=("cat",)), version=3)], repair=True) == 1
        assert (self.ask(index, "dog"), self.ask(index, "cat")) == ([], ["a"])
        assert index.put(BLUE, [entry("a", None, version=4)]) == 1
        assert (self.ask(index, "cat"), self.ask(index, "2019")) == ([], [])
        assert index.put(BLUE, [entry("a", document(tags=("cat",)), version=3)]) == 0
        assert self.ask(index, "cat") == []

    def test_owners_never_meet(self, index: SearchIndex) -> None:
        index.put(BLUE, [entry("a", document(tags=("secret",)), owner="bert", at=(1, 0))])
        index.put(BLUE, [entry("b", document(tags=("dog",)), at=(0, 1))])
        assert self.ask(index, "secret", vector=(1.0, 0.0)) == []
        assert self.ask(index, "sekret") == []
        assert self.ask(index, "2019") == ["b"]
        assert list(index.suggest(BLUE, "anna", "se")) == []
        assert list(index.suggest(BLUE, "bert", "se")) == ["secret"]
        with pytest.raises(NotFound):
            self.ask(index, "like:a")

    def test_generations_are_apart_and_one_can_go(self, index: SearchIndex) -> None:
        index.put(BLUE, [entry("a", document(tags=("dog",)))])
        index.put(GREEN, [entry("a", document(tags=("cat",)))])
        assert assets(index.search(GREEN, "anna", parse("cat", TODAY))) == ["a"]
        index.drop(BLUE)
        with pytest.raises(NotFound):
            self.ask(index, "dog")
        assert assets(index.search(GREEN, "anna", parse("cat", TODAY))) == ["a"]
        index.create(BLUE)
        assert self.ask(index, "dog") == []

    def test_suggestions_are_the_most_frequent_first(self, index: SearchIndex) -> None:
        index.put(
            BLUE,
            [
                entry("a", document(tags=("dog", "door"), city="Dortmund")),
                entry("b", document(tags=("dog",))),
            ],
        )
        assert list(index.suggest(BLUE, "anna", "do")) == ["dog", "door", "dortmund"]
        assert list(index.suggest(BLUE, "anna", "DOR", 5)) == ["dortmund"]
        assert list(index.suggest(BLUE, "anna", "")) == []

    def test_any_question_is_answered_or_refused(self, index: SearchIndex) -> None:
        index.put(BLUE, [entry("a", document(tags=("dog",), description='AND OR NOT NEAR "*^:{}'), at=(1, 0))])

        @settings(max_examples=100, suppress_health_check=list(HealthCheck))
        @given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
        def asked(text: str) -> None:
            with contextlib.suppress(InvalidInput, NotFound):
                self.ask(index, text, vector=(1.0, 0.0), explain=True)

        asked()

    def test_whatever_is_asked_filters_hold_and_owners_never_meet(self, index: SearchIndex) -> None:
        words = ("dog", "cat", "beach", "rome")
        held = {}
        for owner in ("anna", "bert"):
            for number in range(24):
                tags = (*(word for bit, word in enumerate(words) if number >> bit & 1), f"{owner}s")
                held[f"{owner}{number}"] = made = document(
                    tags=tags,
                    kind="video" if number % 5 == 0 else "image",
                    taken=f"{2015 + number % 6}-06-21T10:00:00",
                    rating=number % 6,
                )
                index.put(BLUE, [entry(f"{owner}{number}", made, owner=owner, at=(1, number / 24))])

        @settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
        @given(
            asked=st.lists(st.sampled_from(words), max_size=3),
            wanted=st.sampled_from((*words, None)),
            unwanted=st.sampled_from((*words, None)),
            year=st.sampled_from((2016, 2019, None)),
            kind=st.sampled_from(("photo", "video", None)),
            stars=st.sampled_from((1, 4, None)),
            owner=st.sampled_from(("anna", "bert")),
            meaning=st.booleans(),
        )
        def check(
            asked: list[str],
            wanted: str | None,
            unwanted: str | None,
            year: int | None,
            kind: str | None,
            stars: int | None,
            owner: str,
            meaning: bool,
        ) -> None:
            fields = {"tag": wanted, "-tag": unwanted, "on": year, "type": kind, "rating": stars}
            text = " ".join([*asked, *(f"{name}:{value}" for name, value in fields.items() if value is not None)])
            vector = (1.0, 0.5) if meaning else None
            found = index.search(BLUE, owner, parse(text, TODAY), vector=vector, limit=100)
            passing = {
                name
                for name, each in held.items()
                if name.startswith(owner)
                and (wanted is None or wanted in each.tags)
                and (unwanted is None or unwanted not in each.tags)
                and (year is None or each.taken.startswith(str(year)))
                and (kind is None or each.kind == {"photo": "image"}.get(kind, kind))
                and (stars is None or (each.rating or 0) >= stars)
            }
            having = {name for name in passing if set(asked) & set(held[name].tags)}
            if meaning and asked:
                assert having <= set(assets(found)) <= passing
            else:
                assert set(assets(found)) == (having if asked else passing)
            assert found.total == len(found.hits)
            assert not any(
                term.startswith("bert" if owner == "anna" else "anna")
                for begun in "abdcr"
                for term in index.suggest(BLUE, owner, begun, 100)
            )

        check()

    def test_like_goes_by_how_a_picture_looks_where_that_is_known(self, index: SearchIndex) -> None:
        looks = {"aaa": (1, 0), "bbb": (0.9, 0.4), "ccc": (0.7, 0.7), "ddd": (-1, 0)}
        entries = [entry(name, document(), at=(0, 1) if name == "ccc" else (1, 0)) for name in looks]
        seen = [structs.replace(each, picture=struct.pack("<2e", *looks[each.asset])) for each in entries]
        index.put(BLUE, [*seen, entry("eee", document(), at=(1, 0))])
        found = self.ask(index, "like:aaa")
        assert found == ["bbb", "ccc"]  # as they look; what the words mean orders, and finds, nothing
        assert self.ask(index, "like:eee") == ["aaa", "bbb", "ddd"]  # its look is not known
        assert self.ask(index, "like:aaa after:2030") == []
        again = structs.replace(entry("ddd", document(), 2), picture=struct.pack("<2e", 0.99, 0.1))
        index.put(BLUE, [again, entry("bbb", None, 2)])
        assert self.ask(index, "like:aaa") == ["ddd", "ccc"]
