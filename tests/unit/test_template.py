"""template.yaml holds to the code and to least privilege; one test a rule, so that a failure names it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.pipeline import PIPELINE
from infrastructure import build, cfn, packages, repeated
from infrastructure.steps import STEPS
from tests.support import (
    template_access,
    template_checks,
    template_operations,
    template_resources,
    template_scanning,
    template_search,
)
from tests.support.template_reading import Template, functions

Rule = Callable[[Template], list[str]]

RULES: list[Rule] = [
    template_checks.handlers,
    template_checks.handlers_exist,
    template_checks.environments,
    template_checks.failure_paths,
    template_checks.event_sources,
    template_checks.log_groups,
    template_access.policies,
    template_access.history_is_append_only,
    template_access.faces_stay_sealed,
    template_resources.table_definitions,
    template_resources.step_queues,
    template_resources.queue_times,
    template_resources.upload_path,
    template_resources.buckets,
    template_operations.alarms,
    template_operations.state_machine,
    template_operations.api,
    template_scanning.scanning,
    template_search.searching,
]


@pytest.fixture(scope="module")
def template() -> Template:
    return cfn.load()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_template_keeps_each_rule(rule: Rule, template: Template) -> None:
    assert rule(template) == []


def test_every_rule_is_part_of_the_whole_check(template: Template) -> None:
    source = Path(template_checks.__file__).read_text(encoding="utf-8")
    called = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    assert {rule.__name__ for rule in RULES} <= called
    assert template_checks.check(template) == []


def test_what_the_template_repeats_is_what_its_tables_say() -> None:
    text = cfn.TEMPLATE.read_text(encoding="utf-8")
    assert repeated.written(text) == text, "run `make template`"


def test_every_step_of_the_pipeline_is_deployed_and_nothing_else_is() -> None:
    assert [shape.name for shape in STEPS] == [step.name for step in PIPELINE]


def test_a_part_that_nothing_writes_and_one_without_a_place_are_named() -> None:
    text = cfn.TEMPLATE.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="nothing writes this part"):
        repeated.written(text + "\n# begin: a poem\n# end: a poem\n")
    with pytest.raises(ValueError, match="no place for 'views'"):
        repeated.written(text.replace("# begin: views", "# views"))


def test_writing_the_template_mends_what_was_changed_by_hand(tmp_path: Path) -> None:
    text = cfn.TEMPLATE.read_text(encoding="utf-8")
    copy = tmp_path / "template.yaml"
    copy.write_text(text.replace("VisibilityTimeout: 5400", "VisibilityTimeout: 30"), encoding="utf-8")
    assert repeated.main(["--check"], copy) == 1
    assert repeated.main([], copy) == 0
    assert copy.read_text(encoding="utf-8") == text


def test_the_stack_is_far_from_what_cloudformation_takes(template: Template) -> None:
    """AWS: 500 resources a template (SAM adds an event source mapping for each event, and the alias), 1 MB of text."""
    events = sum(len(own.get("Events", {})) for _, _, own in functions(template))
    assert len(template["Resources"]) + events + 2 < 400
    assert cfn.TEMPLATE.stat().st_size < 500_000


def test_every_function_has_the_layers_that_its_layers_build_on(template: Template) -> None:
    assert build.faults({}, build.function_layers(template)) == []


def test_a_function_over_the_limit_is_named() -> None:
    totals = build.unpacked({"code": 1, "core": build.LIMIT_BYTES}, {"ApiFunction": ("core",), "Small": ()})
    assert build.faults(totals, {}) == [f"ApiFunction unpacks to {build.LIMIT_BYTES + 1:,} bytes"]
    assert "OVER THE LIMIT" in build.table({"code": 1}, totals)


def test_every_requirement_that_runs_on_lambda_is_in_a_layer(tmp_path: Path) -> None:
    assert "numpy" in packages.requirements()
    assert "typer" not in packages.requirements()
    project = tmp_path / "pyproject.toml"
    text = (packages.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project.write_text(text.replace('"msgspec', '"brand-new>=1",\n    "msgspec', 1), encoding="utf-8")
    with pytest.raises(ValueError, match=r"brand-new.*in no layer"):
        packages.requirements(project)


def test_the_layers_keep_every_service_that_code_on_lambda_makes_a_client_for() -> None:
    made = set()
    for path, name in packages.code_files():
        if name.endswith(".py"):
            made |= set(re.findall(r"(?:_client|\.client)\(\"([a-z0-9-]+)\"", path.read_text(encoding="utf-8")))
    assert made
    assert made <= build.KEPT_SERVICES


def test_the_code_package_holds_the_handlers_and_no_command_line() -> None:
    names = {name for _, name in packages.code_files()}
    assert "handlers/intake.py" in names
    assert any(name.startswith("events_schema/") and name.endswith(".json") for name in names)
    assert not any(name.startswith(("photovault/cli/", "tests/")) or "__pycache__" in name for name in names)


def test_the_same_code_gives_the_same_package() -> None:
    assert packages.zipped(packages.code_files()) == packages.zipped(packages.code_files())


def test_each_function_runs_on_the_runtime_that_the_layers_are_built_for(template: Template) -> None:
    assert {own["Runtime"] for _, _, own in functions(template)} == {f"python{packages.RUNTIME}"}
