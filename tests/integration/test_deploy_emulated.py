"""The real template deploys through CloudFormation on the emulator, whole, and again without a change."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from domain.pipeline import PIPELINE
from infrastructure import cfn
from infrastructure.deploy_emulated import deploy, session
from infrastructure.emulator import MISSING, emulator, executable
from projections import PROJECTIONS
from tests.support.template_checks import HANDLERS
from tests.support.waiting import wait_for

STAGE = "test"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    if executable() is None:
        pytest.skip(MISSING)
    with emulator() as started:
        yield started


@pytest.fixture(scope="module")
def outputs(endpoint: str) -> dict[str, str]:
    return deploy(endpoint, stage=STAGE, parameters={"DefaultOwner": "family", "MaxConcurrency": "2"})


@pytest.fixture(scope="module")
def client(endpoint: str, outputs: dict[str, str]) -> Any:
    made: dict[str, Any] = {}

    def get(service: str) -> Any:
        if service not in made:
            made[service] = session().client(service, endpoint_url=endpoint)
        return made[service]

    return get


def test_every_resource_without_a_condition_is_there(client: Any) -> None:
    pages = client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=f"photovault-{STAGE}")
    made = {r["LogicalResourceId"]: r["ResourceStatus"] for page in pages for r in page["StackResourceSummaries"]}
    wanted = {
        logical
        for logical, resource in cfn.load()["Resources"].items()
        if "Condition" not in resource and resource["Type"] != "AWS::Serverless::LayerVersion"  # SAM renames those
    }
    assert wanted <= made.keys()
    assert set(made.values()) == {"CREATE_COMPLETE"}


def test_the_tables_are_there_and_events_have_a_stream(client: Any, outputs: dict[str, str]) -> None:
    events = client("dynamodb").describe_table(TableName=outputs["EventsTable"])["Table"]
    assert events["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    assert "GlobalSecondaryIndexes" not in events
    for projection in PROJECTIONS:
        view = client("dynamodb").describe_table(TableName=outputs["ViewsPrefix"] + projection.table(1).name)["Table"]
        assert {index["IndexName"] for index in view.get("GlobalSecondaryIndexes", ())} == set(projection.indexes)


def test_each_queue_has_its_dead_letters(client: Any, outputs: dict[str, str]) -> None:
    sqs = client("sqs")
    for name in [f"photovault-{STAGE}-upload", *(outputs["QueuesPrefix"] + step.name for step in PIPELINE)]:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        held = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
        assert json.loads(held["RedrivePolicy"])["deadLetterTargetArn"].endswith(f":{name}-dead")


def test_each_function_is_there_with_its_settings(client: Any) -> None:
    for name, handler in HANDLERS.items():
        described = client("lambda").get_function_configuration(FunctionName=f"photovault-{STAGE}-{name}")
        variables = described["Environment"]["Variables"]
        assert described["Handler"] == handler
        assert variables["STAGE"] == STAGE
        assert variables["DEFAULT_OWNER"] == "family"
        assert described["LoggingConfig"]["LogGroup"] == f"/aws/lambda/photovault-{STAGE}-{name}"


def test_the_mappings_feed_the_functions(client: Any) -> None:
    mappings = client("lambda").list_event_source_mappings()["EventSourceMappings"]
    fed = {mapping["FunctionArn"].rpartition(":")[2]: mapping for mapping in mappings}
    functions = {"intake", "projector", "relay", *(step.name for step in PIPELINE)}
    assert fed.keys() == {f"photovault-{STAGE}-{name}" for name in functions}
    assert {mapping["State"] for mapping in mappings} == {"Enabled"}
    assert fed[f"photovault-{STAGE}-renditions"]["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_the_api_has_its_routes_and_its_authorizer(client: Any, outputs: dict[str, str]) -> None:
    api = client("apigatewayv2")
    routes = {r["RouteKey"]: r["AuthorizationType"] for r in api.get_routes(ApiId=outputs["ApiId"])["Items"]}
    assert routes == {
        "$default": "JWT",
        "GET /health": "NONE",
        "ANY /s/{proxy+}": "NONE",
        "ANY /n/{proxy+}": "NONE",
    }
    (authorizer,) = api.get_authorizers(ApiId=outputs["ApiId"])["Items"]
    assert authorizer["JwtConfiguration"]["Audience"] == [outputs["UserPoolClientId"]]


def test_an_upload_reaches_the_gallery(client: Any, outputs: dict[str, str]) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(picture, "JPEG")
    client("s3").put_object(Bucket=outputs["OriginalsBucket"], Key="family/a tree.jpg", Body=picture.getvalue())

    def types() -> set[str]:
        items = client("dynamodb").scan(TableName=outputs["EventsTable"])["Items"]
        return {event["type"] for item in items for event in json.loads(item["body"]["S"])}

    def rows() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client("dynamodb").scan(TableName=outputs["ViewsPrefix"] + "gallery_g1")["Items"]
        return found

    assert wait_for(lambda: "AssetProcessed" in types(), seconds=60)
    assert wait_for(lambda: any("ix_timeline" in row for row in rows()), seconds=20)


def test_deploying_again_changes_nothing_and_gives_the_same_outputs(endpoint: str, outputs: dict[str, str]) -> None:
    began = time.monotonic()
    parameters = {"DefaultOwner": "family", "MaxConcurrency": "2"}
    assert deploy(endpoint, stage=STAGE, parameters=parameters) == outputs
    assert time.monotonic() - began < 30
