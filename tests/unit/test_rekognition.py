"""Rekognition behind the ports: requests and answers by the service's own description (botocore's stubber holds both
against it), what a month may cost, and what a failure costs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from adapters.aws.connection import Aws
from adapters.aws.rekognition import RekognitionModerator, RekognitionTagger
from adapters.local.checkpoints import SqliteCheckpoints
from domain.budget import Budget
from domain.errors import InvalidInput, MediaRejected, ServicePaused
from domain.recognition import Box, ModelUse
from photovault.recognition import RecognitionOptions, moderator_of, tagger_of
from tests.support.factories import Clock

ARN = "arn:aws:rekognition:eu-central-1:123456789012:project/feeder/version/feeder.2026-05-01/1714521600000"
PICTURE = b"\xff\xd8 a picture"
KITTEN = {
    "Name": "Kitten",
    "Confidence": 98.25,
    "Instances": [{"BoundingBox": {"Left": -0.1, "Top": 0.25, "Width": 0.5, "Height": 0.5}, "Confidence": 97.5}],
    "Parents": [{"Name": "Cat"}, {"Name": "Animal"}],
    "Categories": [{"Name": "Animals and Pets"}],
}
SURFING = {"Name": "Surfing", "Confidence": 91.0, "Instances": [], "Categories": [{"Name": "Sports"}]}
SHORE = {"Name": "Shoreline", "Confidence": 88.0, "Instances": [], "Categories": [{"Name": "Nature and Outdoors"}]}


class World:
    """A client whose answers a test gives, a budget of three calls, and a picture."""

    def __init__(self, folder: Path) -> None:
        session = botocore.session.Session()
        session.set_credentials("key", "secret")
        session.set_config_variable("region", "eu-central-1")
        self.aws = Aws(session)
        self.stub = Stubber(self.aws.rekognition)
        self.stub.activate()
        self.checkpoints = SqliteCheckpoints(folder / "work.db")
        self.clock = Clock()
        self.budget = Budget(self.checkpoints, "rekognition", 3_000, self.clock)
        self.picture = folder / "a.jpg"
        self.picture.write_bytes(PICTURE)

    def labels(self, *labels: dict[str, Any]) -> None:
        self.stub.add_response(
            "detect_labels",
            {"Labels": list(labels), "LabelModelVersion": "3.0"},
            {"Image": {"Bytes": PICTURE}, "MaxLabels": 50, "MinConfidence": 60.0, "Features": ["GENERAL_LABELS"]},
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.checkpoints.close()
    made.aws.close()


class TestLabels:
    def test_labels_are_tags_of_three_kinds_with_the_services_version_and_price(self, world: World) -> None:
        world.labels(KITTEN, SURFING, SHORE)
        [seen] = RekognitionTagger(world.aws, world.budget).tag([world.picture])
        assert [(tag.name, tag.kind, tag.confidence, tag.box) for tag in seen.tags] == [
            ("kitten", "object", 0.975, Box(0.0, 0.25, 0.4, 0.5)),
            ("surfing", "activity", 0.91, None),
            ("shoreline", "scene", 0.88, None),
        ]
        assert seen.models == (ModelUse("rekognition-labels", "3.0", 1000),)
        assert {tag.model for tag in seen.tags} == {"rekognition-labels 3.0"}
        world.stub.assert_no_pending_responses()

    def test_ones_own_model_is_asked_too(self, world: World) -> None:
        world.labels(SHORE)
        world.stub.add_response(
            "detect_custom_labels",
            {
                "CustomLabels": [
                    {
                        "Name": "Robin",
                        "Confidence": 80.0,
                        "Geometry": {"BoundingBox": {"Left": 0.5, "Top": 0.5, "Width": 0.1, "Height": 0.1}},
                    },
                    {"Name": "feeder", "Confidence": 70.0},
                ]
            },
            {"ProjectVersionArn": ARN, "Image": {"Bytes": PICTURE}, "MaxResults": 50, "MinConfidence": 60.0},
        )
        [seen] = RekognitionTagger(world.aws, world.budget, custom_model=ARN).tag([world.picture])
        assert [(tag.name, tag.model) for tag in seen.tags] == [
            ("shoreline", "rekognition-labels 3.0"),
            ("robin", "rekognition-custom feeder.2026-05-01"),
            ("feeder", "rekognition-custom feeder.2026-05-01"),
        ]
        assert [model.name for model in seen.models] == ["rekognition-labels", "rekognition-custom"]

    def test_ones_own_model_that_does_not_run_is_a_note(self, world: World) -> None:
        world.labels(SHORE)
        world.stub.add_client_error("detect_custom_labels", "ResourceNotReadyException")
        [seen] = RekognitionTagger(world.aws, world.budget, custom_model=ARN).tag([world.picture])
        assert [tag.name for tag in seen.tags] == ["shoreline"]
        assert "start the model's version" in seen.notes[0]

    def test_a_picture_that_the_service_refuses_is_at_fault_and_costs_nothing(self, world: World) -> None:
        world.stub.add_client_error("detect_labels", "InvalidImageFormatException", http_status_code=400)
        with pytest.raises(MediaRejected, match="InvalidImageFormatException"):
            RekognitionTagger(world.aws, world.budget).tag([world.picture])
        assert world.budget.spent() == 0

    def test_other_failures_are_for_a_later_attempt_and_cost_nothing(self, world: World) -> None:
        world.stub.add_client_error("detect_labels", "ThrottlingException", http_status_code=400)
        with pytest.raises(ClientError, match="Throttling"):
            RekognitionTagger(world.aws, world.budget).tag([world.picture])
        assert world.budget.spent() == 0

    def test_a_picture_over_five_megabytes_is_not_sent(self, world: World) -> None:
        world.picture.write_bytes(bytes(5 * 1024 * 1024 + 1))
        with pytest.raises(MediaRejected, match="5 MB"):
            RekognitionTagger(world.aws, world.budget).tag([world.picture])

    def test_the_client_slows_down_by_itself(self, world: World) -> None:
        assert world.aws.rekognition.meta.config.retries["mode"] == "adaptive"


class TestModeration:
    def moderated(self, world: World, *labels: tuple[str, str, float]) -> Any:
        world.stub.add_response(
            "detect_moderation_labels",
            {
                "ModerationLabels": [{"Name": n, "ParentName": p, "Confidence": c} for n, p, c in labels],
                "ModerationModelVersion": "7.0",
            },
            {"Image": {"Bytes": PICTURE}, "MinConfidence": 20.0},
        )
        return RekognitionModerator(world.aws, world.budget).moderate(world.picture)

    def test_the_score_is_the_surest_label_of_a_category_that_counts(self, world: World) -> None:
        said = self.moderated(
            world, ("Explicit", "", 82.0), ("Exposed Buttocks or Anus", "Explicit", 82.0), ("Alcohol", "", 99.0)
        )
        assert (said.score, said.name, said.version) == (0.82, "rekognition-moderation", "7.0")
        assert said.labels == ("Explicit", "Exposed Buttocks or Anus", "Alcohol")
        assert said.cost_microusd == 1000

    def test_a_day_at_the_beach_scores_nothing(self, world: World) -> None:
        said = self.moderated(
            world, ("Swimwear or Underwear", "", 99.0), ("Female Swimwear or Underwear", "Swimwear or Underwear", 99.0)
        )
        assert said.score == 0.0

    def test_nothing_found_is_harmless(self, world: World) -> None:
        assert self.moderated(world).score == 0.0


class TestBudget:
    def test_at_the_cap_nothing_is_asked_and_the_reason_says_so(self, world: World) -> None:
        tagger = RekognitionTagger(world.aws, world.budget)
        for _ in range(3):
            world.labels()
            tagger.tag([world.picture])
        with pytest.raises(ServicePaused, match=r"the cap of 0\.00 USD a month for rekognition .* 3 calls in 2026-05"):
            tagger.tag([world.picture])
        world.stub.assert_no_pending_responses()
        assert tagger.costs.requests == 3

    def test_a_new_month_begins_at_nothing(self, world: World) -> None:
        world.budget.reserve(3_000)
        world.clock.now = datetime(2026, 6, 1, tzinfo=UTC)
        assert world.budget.spent() == 0
        assert world.budget.reserve(3_000) == "2026-06"

    def test_a_failure_is_given_back_to_the_month_that_paid(self, world: World) -> None:
        month = world.budget.reserve(2_000)
        world.clock.now = datetime(2026, 6, 1, tzinfo=UTC)
        world.budget.give_back(month, 2_000)
        world.clock.now = datetime(2026, 5, 2, tzinfo=UTC)
        assert world.budget.spent() == 0

    def test_workers_side_by_side_never_pass_the_cap(self, tmp_path: Path) -> None:
        checkpoints = SqliteCheckpoints(tmp_path / "work.db")
        budget = Budget(checkpoints, "rekognition", 10_000, Clock())
        paid, paused = [], []

        def spend() -> None:
            for _ in range(5):
                try:
                    paid.append(budget.reserve(1_000))
                except ServicePaused:
                    paused.append(1)

        threads = [threading.Thread(target=spend) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        checkpoints.close()
        assert (len(paid), len(paused)) == (10, 10)


class TestOptions:
    def test_models_on_this_machine_are_the_default(self) -> None:
        assert RecognitionOptions.of({}) == RecognitionOptions("models", "models", 5_000_000, None)

    def test_a_service_is_chosen_with_its_cap(self, world: World) -> None:
        environment = {
            "PHOTOVAULT_TAGGER": "rekognition",
            "PHOTOVAULT_MODERATOR": "rekognition",
            "PHOTOVAULT_REKOGNITION_CAP_USD": "2.50",
            "PHOTOVAULT_REKOGNITION_CUSTOM": ARN,
        }
        assert RecognitionOptions.of(environment).cap_microusd == 2_500_000
        tagger = tagger_of(world.checkpoints, environment, world.aws)
        assert isinstance(tagger, RekognitionTagger)
        assert [model.name for model in tagger.models] == ["rekognition-labels", "rekognition-custom"]
        assert isinstance(moderator_of(world.checkpoints, environment, world.aws), RekognitionModerator)

    def test_off_is_off(self, world: World) -> None:
        environment = {"PHOTOVAULT_TAGGER": "off", "PHOTOVAULT_MODERATOR": "off"}
        assert tagger_of(world.checkpoints, environment) is None
        assert moderator_of(world.checkpoints, environment) is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PHOTOVAULT_TAGGER", "google"),
            ("PHOTOVAULT_MODERATOR", "none"),
            ("PHOTOVAULT_REKOGNITION_CAP_USD", "-1"),
            ("PHOTOVAULT_REKOGNITION_CAP_USD", "lots"),
            ("PHOTOVAULT_REKOGNITION_CUSTOM", "feeder"),
        ],
    )
    def test_what_can_not_be_meant_is_named(self, name: str, value: str) -> None:
        with pytest.raises(InvalidInput, match=name):
            RecognitionOptions.of({name: value})
