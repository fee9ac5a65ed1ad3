"""What OpenSearch answered: two rankings of hits to one, with facets and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from adapters.aws.opensearch_documents import FACETS
from adapters.aws.opensearch_queries import MARKS
from domain.ranking import MAX_FACET_VALUES
from domain.search import BEST, NEWEST, Reason, fused

__all__ = ["Answer", "Ranked", "facets", "field", "marked", "ranked"]

Answer = Mapping[str, Any]


class Ranked(Struct, frozen=True):
    """Both rankings as one."""

    order: Sequence[str]
    scores: Mapping[str, float]
    total: int
    facets: Mapping[str, Mapping[str, int]]
    reasons: Mapping[str, Reason]


def ranked(
    by_words: Answer | None,
    by_meaning: Answer | None,
    asked: int,
    corrected: Mapping[str, tuple[str, ...]],
    least: float,
) -> Ranked:
    """Both rankings fused, with the little that being new and well rated adds: the newest of what was found, here.

    Args:
        asked: how many words the question has.
        least: cosine from which a vector is near.
    """
    near = [hit for hit in (by_meaning["hits"]["hits"] if by_meaning else ()) if _cosine(hit) >= least]
    having = by_words["hits"]["hits"] if by_words else []
    documents = {field(hit, "asset"): hit for hit in (*having, *near)}
    assets = sorted(documents)
    number = {asset: n for n, asset in enumerate(assets)}
    lexical = [number[field(hit, "asset")] for hit in having]
    semantic = [number[field(hit, "asset")] for hit in near]
    shares = {n: len(hit["matched_queries"]) / asked for n, hit in zip(lexical, having, strict=True)}
    fusion = fused([lexical, semantic], shares)
    ages = sorted({field(hit, "taken", "") for hit in documents.values()})
    age = {taken: n / max(1, len(ages) - 1) for n, taken in enumerate(ages)}
    scores = {}
    for n, score in fusion.items():
        hit = documents[assets[n]]
        newness, stars = age[field(hit, "taken", "")], field(hit, "rating", 0)
        scores[assets[n]] = score + NEWEST * newness + BEST * stars / 5
    alone = [hit for hit in near if "words" not in hit.get("matched_queries", ())]
    return Ranked(
        order=sorted(scores, key=lambda asset: (-scores[asset], asset)),
        scores=scores,
        total=(by_words["hits"]["total"]["value"] if by_words else 0) + len(alone),
        facets=facets(by_words, alone),
        reasons=_reasons(having, near, corrected),
    )


def field(hit: Answer, name: str, default: Any = None) -> Any:
    return next(iter(hit.get("fields", {}).get(name, ())), default)


def marked(hit: Answer) -> list[str]:
    """The words that were marked."""
    begin, end = MARKS
    texts = hit.get("highlight", {}).get("words", ())
    return [piece.partition(end)[0] for text in texts for piece in text.split(begin)[1:]]


def _cosine(hit: Answer) -> float:
    """OpenSearch's score for `cosinesimil` is (1 + cosine) / 2."""
    return 2.0 * float(hit["_score"]) - 1.0


def facets(answer: Answer | None, alone: Sequence[Answer]) -> dict[str, dict[str, int]]:
    """What was counted of the words' documents, and of those that meaning alone found."""
    found: dict[str, dict[str, int]] = {}
    for facet in FACETS:
        buckets = answer["aggregations"][facet]["buckets"] if answer else ()
        counts = {str(bucket["key"]): int(bucket["doc_count"]) for bucket in buckets}
        for value in (field(hit, f"facets.{facet}") for hit in alone):
            if value:
                counts[value] = counts.get(value, 0) + 1
        found[facet] = dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_FACET_VALUES])
    return found


def _reasons(
    having: Sequence[Answer], near: Sequence[Answer], corrected: Mapping[str, tuple[str, ...]]
) -> dict[str, Reason]:
    ways = tuple(f"{word} -> {', '.join(each)}" for word, each in corrected.items())
    found = {field(hit, "asset"): Reason(lexical_rank=n, corrected=ways) for n, hit in enumerate(having, 1)}
    for n, hit in enumerate(near, 1):
        before = found.get(field(hit, "asset"), Reason())
        found[field(hit, "asset")] = structs.replace(before, semantic_rank=n, similarity=round(_cosine(hit), 4))
    return found
