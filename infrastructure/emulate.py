"""The template as an emulator takes it: packaged, and with the few changes that docs/emulator.md lists."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any


def packaged(template: Mapping[str, Any], code_uri: str, layer_uris: Mapping[str, str]) -> dict[str, Any]:
    """What `sam package` does: local folders become objects in S3.

    Args:
        code_uri: `s3://bucket/key` of the functions' code.
        layer_uris: the same for each layer, by the name of its folder.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(template))
    changed["Globals"]["Function"]["CodeUri"] = code_uri
    for resource in changed["Resources"].values():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = layer_uris[PurePosixPath(resource["Properties"]["ContentUri"]).name]
    return changed


def emulated(template: Mapping[str, Any], parameters: Mapping[str, str], models: Path) -> dict[str, Any]:
    """The template for ministack 1.5.33. Two changes: a mapping's maximum concurrency is a number, not a reference, and
    models are in a folder of this machine, as layers are empty there.

    A reference to a number comes out as text there (CloudFormation turns it into a number), and the comparison with
    text ends the poller of all queues. What is capped under a condition is not capped there.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(template))
    changed["Globals"]["Function"]["Environment"]["Variables"]["PHOTOVAULT_MODELS"] = str(models)
    values = {name: parameter.get("Default") for name, parameter in changed["Parameters"].items()} | dict(parameters)
    for resource in changed["Resources"].values():
        for event in resource.get("Properties", {}).get("Events", {}).values():
            scaling = event["Properties"].get("ScalingConfig")
            if scaling and "Fn::If" in scaling:
                del event["Properties"]["ScalingConfig"]
            elif scaling:
                scaling["MaximumConcurrency"] = int(values[scaling["MaximumConcurrency"]["Ref"]])
    return changed
