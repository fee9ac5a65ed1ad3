"""Search in the template: off unless asked for, encrypted, and each function reaches what it calls and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.support.template_reading import (
    Template,
    actions,
    functions,
    listed,
    of_type,
    reaches,
    resources_of,
    statements,
)

_DOMAIN = "arn:aws:es:us-east-1:123456789012:domain/photovault-dev/"
_INDEX = "photovault-dev-search_g7"

_MAKE = {
    ("es:ESHttpHead", _INDEX),
    ("es:ESHttpPut", f"{_INDEX}-m1"),
    ("es:ESHttpPut", "_index_template/photovault-dev-search"),
}
_WRITE = {("es:ESHttpPost", f"{_INDEX}/_bulk")}

SEARCHING: Mapping[str, set[tuple[str, str]]] = {
    "projector": _MAKE | _WRITE,
    "reconcile": _MAKE | _WRITE,
    "replay-plan": _MAKE | {("es:ESHttpGet", _INDEX), ("es:ESHttpDelete", f"{_INDEX}-m1")},
    "replay-work": _WRITE,
    "replay-finish": _WRITE,
    "api": {("es:ESHttpPost", f"{_INDEX}/_msearch")},
}
"""Functions that speak with OpenSearch, and the requests that `adapters.aws.opensearch` makes there: (action, path)."""

_EVERY = set().union(*SEARCHING.values())


def searching(template: Template) -> list[str]:
    """Only where it is switched on; who searches can write nothing; nothing goes in the clear."""
    return [*_switched(template), *_domain(template), *_rights(template)]


def _switched(template: Template) -> Iterator[str]:
    if template["Parameters"]["OpenSearch"]["Default"] != "off":
        yield "OpenSearch costs money and is on by default"
    for logical, resource in template["Resources"].items():
        text = str(resource.get("Properties"))
        if ("OpenSearch" in resource["Type"] or "es:ESHttp" in text) and resource.get("Condition") != "HasOpenSearch":
            yield f"{logical} is there without OpenSearch"


def _domain(template: Template) -> Iterator[str]:
    for logical, domain in of_type(template, "AWS::OpenSearchService::Domain"):
        held = domain["Properties"]
        for option in ("EncryptionAtRestOptions", "NodeToNodeEncryptionOptions"):
            if held.get(option) != {"Enabled": True}:
                yield f"{logical}: {option} is not on"
        if not held.get("DomainEndpointOptions", {}).get("EnforceHTTPS"):
            yield f"{logical} takes requests in the clear"
        for statement in held["AccessPolicies"]["Statement"]:
            named = [role["Fn::GetAtt"][0] for role in listed(statement["Principal"]["AWS"])]
            wanted = {own["Role"]["Fn::GetAtt"][0] for _, name, own in functions(template) if name in SEARCHING}
            if set(named) != wanted:
                yield f"{logical} is open to {', '.join(named)}"


def _rights(template: Template) -> Iterator[str]:
    for logical, name, own in functions(template):
        wanted = SEARCHING.get(name, set())
        if ("PHOTOVAULT_OPENSEARCH" in own["Environment"]["Variables"]) != bool(wanted):
            yield f"{logical}: it is told of OpenSearch, or it is not, and the code says otherwise"
        held = list(_allowed(template, own["Role"]["Fn::GetAtt"][0]))
        may = {(a, path) for a, path in _EVERY if any(a == b and reaches(p, _DOMAIN + path) for b, p in held)}
        if missing := wanted - may:
            yield f"{logical} may not {', '.join(f'{action} {path}' for action, path in sorted(missing))}"
        if more := may - wanted:
            yield f"{logical} may {', '.join(f'{action} {path}' for action, path in sorted(more))}, and need not"
        if any(not pattern.startswith(_DOMAIN) for _, pattern in held):
            yield f"{logical} reaches another domain"


def _allowed(template: Template, role: str) -> Iterator[tuple[str, str]]:
    """(action, resource pattern) of OpenSearch that a role has, by policies of their own."""
    for _, policy in of_type(template, "AWS::IAM::Policy"):
        if {"Ref": role} in policy["Properties"]["Roles"]:
            for statement in statements(policy):
                for action in actions(statement):
                    if action.startswith("es:"):
                        yield from ((action, resource) for resource in resources_of(template, statement))
