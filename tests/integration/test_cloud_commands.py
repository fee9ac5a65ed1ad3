"""What an owner says and asks, with `--on aws`: the commands of one machine, on a deployment that a stack describes.

Tables, queues and the stack are the emulator's, which knows no Rekognition: that is `tests.support.rekognition`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.asset import asset_stream, fold
from domain.errors import PhotoVaultError
from photovault.aws import stacks
from photovault.aws.cloud import Cloud
from photovault.cli import app
from tests.contract.conftest import opensearch  # noqa: F401 - a fixture
from tests.integration.deployment import Deployment, Invokes
from tests.integration.test_cloud_search import domain, picture, searching  # noqa: F401 - fixtures
from tests.integration.test_faces_emulated import put, service  # noqa: F401 - a fixture
from tests.support.aws_events import REGION
from tests.support.factories import append, tagged, whole_life
from tests.support.rekognition import FakeRekognition

Told = Callable[..., Any]


def stack_of(deployment: Deployment, **more: str) -> str:
    """A template with the outputs of ours and nothing behind them."""
    outputs = {name: deployment.environment[variable] for variable, name in stacks.SETTINGS.items()}
    outputs |= {"ReplayStateMachineArn": "none", "ApiUrl": "https://photos.example.org", **more}
    return json.dumps(
        {
            "Parameters": {"Faces": {"Type": "String", "Default": "rekognition"}},
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
    )


@pytest.fixture
def stacked(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes the stack of the deployment, with more outputs if need be."""
    variables = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": REGION}
    for name, value in (variables | {"AWS_ENDPOINT_URL": deployment.environment["AWS_ENDPOINT_URL"]}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(stacks, "Aws", lambda endpoint_url: deployment.aws)
    session = stacks.boto3.session.Session()
    client = session.client("cloudformation", endpoint_url=deployment.environment["AWS_ENDPOINT_URL"])

    def make(**more: str) -> None:
        client.create_stack(StackName="photovault-test", TemplateBody=stack_of(deployment, **more))

    yield make
    client.delete_stack(StackName="photovault-test")
    client.close()


@pytest.fixture
def told() -> Told:
    """Calls a command for an owner on the deployment; its document."""

    def call(owner: str, *words: str) -> Any:
        arguments = ["--owner", owner, *words, "--on", "aws", "--stage", "test", "--json"]
        done = CliRunner().invoke(app, arguments)
        if isinstance(done.exception, SystemExit):
            raise AssertionError(done.output)
        if done.exception is not None:
            raise done.exception
        return json.loads(done.stdout)

    return call


def test_from_the_agreement_to_named_people_and_forgotten_ones(
    deployment: Deployment,
    vault: Cloud,
    invoke: Invokes,
    service: FakeRekognition,  # noqa: F811
    stacked: Callable[..., None],
    told: Told,
) -> None:
    stacked()
    assert told("anna", "faces", "agree") == {"owner": "anna", "faces": "on", "asked": 0}
    assert told("anna", "faces", "status")["by"] == "rekognition"
    for mark, who in (("a1", ["anna"]), ("a2", ["ben", "anna"]), ("a3", ["anna"])):
        put(deployment, invoke, service, "anna", mark, who)
    first, second = told("anna", "people", "list")["items"]
    assert [(p["faces"], p["pictures"], p["name"]) for p in (first, second)] == [(3, 3, None), (1, 1, None)]

    assert told("anna", "people", "name", first["person"][:8], "Anna")["changed"]
    assert told("anna", "people", "name", second["person"], "Ben")["changed"]
    deployment.run(invoke)
    assert [p["name"] for p in told("anna", "people", "list")["items"]] == ["Anna", "Ben"]
    [both] = told("anna", "people", "together", "Anna", "Ben")["items"]
    assert both["file_name"] == "a2.jpg"
    shown = told("anna", "people", "who", both["asset"])
    assert {face["name"] for face in shown["faces"]} == {"Anna", "Ben"}
    assert shown["picture"].startswith("http")

    # another owner, who has agreed too, meets none of it
    told("eve", "faces", "agree")
    assert told("eve", "people", "list") == {"items": []}
    for words in (("name", first["person"], "Mine"), ("who", both["asset"]), ("reject", both["asset"])):
        with pytest.raises(PhotoVaultError, match="there is no"):
            told("eve", "people", *words)

    ben = next(face["face"] for face in shown["faces"] if face["name"] == "Ben")
    assert told("anna", "people", "reject", both["asset"], "--face", str(ben))["person"] == second["person"]
    deployment.run(invoke)
    assert [p["name"] for p in told("anna", "people", "list")["items"]] == ["Anna"]
    told("anna", "people", "undo", "--asset", both["asset"])
    deployment.run(invoke)
    assert [p["name"] for p in told("anna", "people", "list")["items"]] == ["Anna", "Ben"]

    assert told("anna", "faces", "forget", "--yes") == {"faces": "off", "pictures": 3, "people": 2}
    deployment.run(invoke)
    assert sum(len(service.held(name)) for name in service.collections) == 0
    with pytest.raises(PhotoVaultError, match="faces agree"):
        told("anna", "people", "list")
    told("anna", "faces", "agree")
    assert told("anna", "people", "list") == {"items": []}


def test_what_an_owner_says_of_pictures_is_said_on_the_deployment(
    vault: Cloud, stacked: Callable[..., None], told: Told
) -> None:
    stacked()
    vault.register()
    for asset in ("p0", "p1"):
        picture(vault, asset, tagged("cat"))
    picture(vault, "x1", tagged("cat"), owner="boris")

    def now(asset: str, owner: str = "anna") -> Any:
        stream = asset_stream(owner, asset)
        return fold(stream, vault.store.load(stream).events)

    assert told("anna", "favourite", "p0") == {"assets": ["p0"], "favourite": True}
    assert now("p0").favourite
    assert told("anna", "moderation", "policy", "--hold", "0.5")["changed"]
    assert told("anna", "moderation", "rule", "p0", "blur")["changed"]
    assert now("p0").ruled == "blur"
    assert told("anna", "reprocess", "--step", "tags", "--all", "--dry-run")["assets"] == ["p0", "p1"]
    assert told("anna", "reprocess", "--step", "tags", "--all")["assets"] == ["p0", "p1"]
    assert told("anna", "trash", "add", "p1") == {"assets": ["p1"]}
    vault.projector.project(vault.commits.read(asset_stream("anna", "p1")))
    assert [item["asset"] for item in told("anna", "trash", "list")["items"]] == ["p1"]
    assert told("boris", "trash", "list")["items"] == []
    assert told("anna", "trash", "restore", "p1") == {"assets": ["p1"]}
    vault.projector.project(append(vault.store, asset_stream("anna", "p2"), *whole_life()))
    made = told("anna", "share", "create", "p2", "--title", "One")
    assert made["link"] == f"https://photos.example.org/s/{made['token']}"
    assert told("anna", "memories", "list") == {"items": [], "cursor": None}
    for words in (("favourite", "x1"), ("trash", "add", "x1"), ("reprocess", "x1"), ("share", "create", "x1")):
        with pytest.raises(PhotoVaultError, match="no asset 'x1'"):
            told("anna", *words)
    assert not now("x1", "boris").favourite
    with pytest.raises(PhotoVaultError, match="OpenSearch=on"):
        told("anna", "search", "cat")
    with pytest.raises(PhotoVaultError, match="--html has no form"):
        told("anna", "search", "cat", "--html", "page.html")


def test_a_search_on_the_deployment_finds_the_owners_pictures_alone(
    searching: Cloud,  # noqa: F811
    domain: str,  # noqa: F811
    stacked: Callable[..., None],
    told: Told,
) -> None:
    stacked(SearchEndpoint=f"http://{domain}")
    picture(searching, "p0", tagged("bicycle"))
    picture(searching, "p1", tagged("cat"))
    picture(searching, "x1", tagged("bicycle"), owner="boris")
    assert [item["asset"] for item in told("anna", "search", "bicycle", "--words-only")["items"]] == ["p0"]
    assert told("anna", "suggest", "bi") == {"items": ["bicycle"]}
    assert told("boris", "suggest", "ca") == {"items": []}
