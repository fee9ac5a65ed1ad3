"""Reads CloudFormation's YAML: its short tags (`!Ref`, `!Sub`, ...) become the long forms that JSON has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"


class _Loader(yaml.SafeLoader):
    """YAML without surprises: a date stays text."""


def load(path: Path = TEMPLATE) -> dict[str, Any]:
    """The template as plain dicts and lists."""
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, Any]:
    """As `load`, from text."""
    loaded: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - derived from SafeLoader
    return loaded


def _function(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _function)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
