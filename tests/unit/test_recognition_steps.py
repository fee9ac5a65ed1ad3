"""The steps `tags` and `moderation`: skipped with a way out, done with what was said, never asked again by a replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from domain.commits import Cause
from domain.errors import InvalidInput, ServicePaused
from domain.events import AssetTagged, ContentModerated, ModerationPolicySet, StepSkipped
from domain.moderation import Moderated, Policy
from domain.recognition import Box, ModelUse, Recognised, Tag
from photovault.auditing import describe
from photovault.moderating import rule, set_policy
from photovault.reprocessing import Selection, condition, reprocess
from photovault.tagged import tagged_page
from projections.replay import Target
from steps import Recognition
from steps.catalogue import STEP_FUNCTIONS
from steps.moderation import policy_stream
from steps.worker import Worker
from tests.support.factories import OWNER, STREAM, append, fake_photo, uploaded
from tests.support.fakes import MemoryVault, active_rows, rows_of, work


class Reads:
    """Tags a fake rendition with the words in it, as version `version` of a model; counts what it was asked."""

    def __init__(self, version: str = "1", paused: bool = False) -> None:
        self.models = (ModelUse("reader", version),)
        self.paused = paused
        self.asked: list[str] = []

    def tag(self, pictures: Sequence[Path]) -> Sequence[Recognised]:
        if self.paused:
            raise ServicePaused("the cap of 5.00 USD a month is reached")
        self.asked += [path.read_text() for path in pictures]
        model = f"reader {self.models[0].version}"
        return [
            Recognised(
                tuple(Tag(word, "object", 0.9, model, Box(0, 0, 1, 1)) for word in path.read_text().split()),
                self.models,
                b"\0\x3c" * 4,
            )
            for path in pictures
        ]


class Scores:
    """Gives every picture the same score."""

    available = True

    def __init__(self, score: float) -> None:
        self.score = score

    def moderate(self, picture: Path) -> Moderated:
        assert picture.read_text().startswith("medium of")
        return Moderated(self.score, ("Swimwear",), "scorer", "3", 1000)


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault() as made:
        yield made


def equip(vault: MemoryVault, **ports: Any) -> None:
    vault.worker = Worker(STEP_FUNCTIONS, structs.replace(vault.ports, recognises=Recognition(**ports)), vault.clock)


def photo(vault: MemoryVault, mark: str = "cat", stream: str = STREAM) -> None:
    key = vault.blobs.put(fake_photo(mark))
    append(vault.store, stream, [uploaded(f"{mark}.jpg", blob=key, sha256=key)])


def events(vault: MemoryVault, kind: type, step: str | None = None) -> list[Any]:
    found = [r.event for r in vault.store.load(STREAM).events if isinstance(r.event, kind)]
    return [event for event in found if step is None or event.run.step == step]


class Asked:
    """`Recognises` that notes what it was asked for."""

    def __init__(self, vault: MemoryVault) -> None:
        self.names: set[str] = set()
        self._has = vault.ports.recognises

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._has, name)


class TestMadeWhenAsked:
    @pytest.mark.parametrize(
        ("step", "asked"),
        [
            ("validate", set()),
            ("metadata", set()),
            ("renditions", set()),
            ("duplicates", set()),
            ("tags", {"tagger", "texts"}),  # without tags, a pair of models that looks at pictures itself is asked
            ("moderation", {"moderator"}),
            ("faces", {"people"}),  # and no model before the owner has agreed
        ],
    )
    def test_a_step_makes_no_more_than_it_uses(self, vault: MemoryVault, step: str, asked: set[str]) -> None:
        notes = Asked(vault)
        noting = Worker(STEP_FUNCTIONS, structs.replace(vault.ports, recognises=notes), vault.clock)
        other = vault.worker
        vault.worker = type("One", (), {"handle": lambda _, d: (noting if d.queue == step else other).handle(d)})()
        photo(vault)
        work(vault)
        assert notes.names == asked


class TestTags:
    def test_without_a_model_the_step_is_skipped_and_says_how_to_change_that(self, vault: MemoryVault) -> None:
        photo(vault)
        work(vault)
        [skipped] = events(vault, StepSkipped, "tags")
        assert "photovault models install" in skipped.reason
        assert "--skipped" in skipped.reason

    def test_the_medium_picture_is_looked_at_once_and_its_vector_is_a_blob(self, vault: MemoryVault) -> None:
        reader = Reads()
        equip(vault, tagger=reader)
        photo(vault)
        work(vault)
        [found] = events(vault, AssetTagged)
        assert reader.asked == ["medium of cat"]
        assert {tag.name for tag in found.tags} == {"medium", "of", "cat"}
        assert vault.blobs.get(found.vector) == b"\0\x3c" * 4
        assert "cat 90%" in describe(found)
        assert "by reader 1" in describe(found)

    def test_what_was_skipped_is_done_once_a_model_is_there(self, vault: MemoryVault) -> None:
        photo(vault)
        work(vault)
        equip(vault, tagger=Reads())
        assert reprocess(vault, "tags", Selection(skipped=True), "models came") == ["a1"]  # type: ignore[arg-type]
        work(vault)
        assert len(events(vault, AssetTagged)) == 1
        assert reprocess(vault, "tags", Selection(skipped=True), "again") == []  # type: ignore[arg-type]

    def test_only_results_of_an_older_model_are_asked_for_again(self, vault: MemoryVault) -> None:
        equip(vault, tagger=Reads("1"))
        photo(vault)
        work(vault)
        older = Selection(where="reader < 2")
        equip(vault, tagger=Reads("2"))
        assert reprocess(vault, "tags", older, "new model") == ["a1"]  # type: ignore[arg-type]
        work(vault)
        assert reprocess(vault, "tags", older, "new model") == []  # type: ignore[arg-type]
        assert [event.models[0].version for event in events(vault, AssetTagged)] == ["1", "2"]

    def test_a_service_that_is_paused_skips_with_its_reason(self, vault: MemoryVault) -> None:
        equip(vault, tagger=Reads(paused=True))
        photo(vault)
        work(vault)
        assert [event.reason for event in events(vault, StepSkipped, "tags")] == [
            "the cap of 5.00 USD a month is reached"
        ]

    def test_a_replay_asks_no_model_and_gives_the_live_rows(self, vault: MemoryVault) -> None:
        reader = Reads()
        equip(vault, tagger=reader, moderator=Scores(0.9))
        photo(vault)
        work(vault)
        live = active_rows(vault)
        projection, _ = vault.generations.active("tagged")
        generation = vault.generations.begin("tagged").number
        run = vault.replay.start([Target("tagged", generation)], 2)
        assert vault.replay.work(run, "w")
        assert reader.asked == ["medium of cat"]
        again = rows_of(vault, projection, projection.table(generation))
        assert again == live["tagged"]
        assert len(again) == 5  # the asset, its three words, and what a cat is

    def test_the_gallery_by_tag_finds_synonyms_and_no_other_owners(self, vault: MemoryVault) -> None:
        equip(vault, tagger=Reads())
        photo(vault, "cat")
        photo(vault, "tabby", f"{OWNER}#asset#a2")
        photo(vault, "dog", f"{OWNER}#asset#a3")
        photo(vault, "tiger cat", "bert#asset#b1")
        work(vault)

        def found(word: str, **options: Any) -> list[str]:
            return sorted(row.key for row in tagged_page(vault, word, **options).rows)  # type: ignore[arg-type]

        assert found("kittens") == ["a1", "a2"]
        assert found("animal") == ["a1", "a2", "a3"]
        assert found("nothing like it") == []
        first = tagged_page(vault, "animal", limit=2)  # type: ignore[arg-type]
        rest = tagged_page(vault, "animal", limit=2, cursor=first.cursor)  # type: ignore[arg-type]
        assert sorted(row.key for row in (*first.rows, *rest.rows)) == ["a1", "a2", "a3"]


class TestConditions:
    @pytest.mark.parametrize(
        ("text", "holds"),
        [
            ("model < 2", True),
            ("nanodet < 2", True),
            ("nanodet<1.10", True),
            ("nanodet < 1.9", False),
            ("nanodet = 1.9", True),
            ("nanodet >= 1.9.0", False),
            ("other < 2", False),
            ("model != 1.9", True),
        ],
    )
    def test_versions_are_compared_number_by_number(self, text: str, holds: bool) -> None:
        assert condition(text)(("nanodet 1.9", "efficientnet-lite0 3")) is holds

    def test_no_model_meets_no_condition(self) -> None:
        assert not condition("model < 99")(())

    @pytest.mark.parametrize("text", ["", "model", "model < ", "model ~ 2", "__import__('os') < 2", "model < 2 or 1"])
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="is no condition"):
            condition(text)


class TestModeration:
    def verdicts(self, vault: MemoryVault) -> list[str]:
        return [event.verdict for event in events(vault, ContentModerated)]

    def test_without_a_model_the_step_is_skipped(self, vault: MemoryVault) -> None:
        photo(vault)
        work(vault)
        assert "photovault models install" in events(vault, StepSkipped, "moderation")[0].reason

    def test_score_verdict_model_and_policy_are_recorded(self, vault: MemoryVault) -> None:
        equip(vault, moderator=Scores(0.85))
        photo(vault)
        work(vault)
        [found] = events(vault, ContentModerated)
        assert (found.score, found.verdict, found.policy, found.labels) == (0.85, "blur", Policy(), ("Swimwear",))
        assert found.model == ModelUse("scorer", "3", 1000)

    def test_the_owners_policy_counts_for_what_comes_after_it(self, vault: MemoryVault) -> None:
        equip(vault, moderator=Scores(0.85))
        photo(vault)
        work(vault)
        assert set_policy(vault, Policy(blur=None, hold=0.5))  # type: ignore[arg-type]
        assert not set_policy(vault, Policy(blur=None, hold=0.5))  # type: ignore[arg-type]
        reprocess(vault, "moderation", Selection(everything=True), "new policy")  # type: ignore[arg-type]
        work(vault)
        assert self.verdicts(vault) == ["blur", "hold"]

    def test_another_owners_policy_is_none_of_ours(self, vault: MemoryVault) -> None:
        strict = ModerationPolicySet(policy=Policy(hold=0.0))
        loaded = vault.store.load(policy_stream("bert"))
        cause = Cause(commit_id="p1", actor="person:bert", correlation_id="p1")
        vault.store.append(policy_stream("bert"), [strict], loaded.token, cause)
        equip(vault, moderator=Scores(0.5))
        photo(vault)
        work(vault)
        assert self.verdicts(vault) == ["allow"]

    def test_a_ruling_is_recorded_once(self, vault: MemoryVault) -> None:
        photo(vault)
        work(vault)
        assert rule(vault, STREAM, "hold", "private")  # type: ignore[arg-type]
        assert not rule(vault, STREAM, "hold", "private")  # type: ignore[arg-type]
        assert rule(vault, STREAM, None, "never mind")  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="a reason"):
            rule(vault, STREAM, "blur", " ")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("score", "verdict"),
        [(0.0, "allow"), (0.49, "allow"), (0.5, "blur"), (0.89, "blur"), (0.9, "hold"), (1, "hold")],
    )
    def test_thresholds(self, score: float, verdict: str) -> None:
        assert Policy(blur=0.5, hold=0.9).verdict(score) == verdict

    def test_never_is_never(self) -> None:
        assert Policy(blur=None, hold=None).verdict(1.0) == "allow"
