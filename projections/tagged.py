"""Tagged: an owner's pictures by what they show; `query gallery --tag animal` reads a range of it.

The home row of an asset holds its tags. Beside it stands a row for each tag and each of its parents:

    ~animal#2023-04-06T16:30:45#<asset>      newest last; the tag as it is called in `domain.taxonomy`

`~` is in no asset's id and sorts behind them all.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from domain.commits import Commit
from domain.events import AssetTagged, AssetUploaded, FileQuarantined, MetadataExtracted
from domain.recognition import Tag
from domain.taxonomy import TAXONOMY_VERSION, ancestors, canonical
from projections.base import OtherRow, Projection

__all__ = ["MAX_NAMES", "SeenTag", "Tagged", "names_of", "summary", "tag_range"]

BEHIND = "~"
"""Where an owner's assets end and the other rows begin."""

MAX_NAMES = 40
"""Of one asset: names that it is found by, parents included."""


class SeenTag(Struct, frozen=True, array_like=True, gc=False):
    """One name that models gave a picture, with the highest confidence of those that gave it."""

    name: str
    kind: str
    confidence: float


class TagSet(Struct, frozen=True, array_like=True):
    """What is known of one asset."""

    asset: str = ""
    uploaded_at: str = ""
    taken_at: str | None = None
    tags: tuple[SeenTag, ...] = ()
    models: tuple[str, ...] = ()  # "nanodet 1"
    vector: str | None = None  # blob with the picture's vector
    trashed: str | None = None


def summary(tags: tuple[Tag, ...], most: int = 20) -> tuple[SeenTag, ...]:
    """Each name once, the surest first."""
    surest: dict[tuple[str, str], float] = {}
    for tag in tags:
        surest[tag.name, tag.kind] = max(tag.confidence, surest.get((tag.name, tag.kind), 0.0))
    ordered = sorted(surest.items(), key=lambda each: (-each[1], each[0]))
    return tuple(SeenTag(name, kind, round(confidence, 2)) for (name, kind), confidence in ordered[:most])


def names_of(tags: tuple[SeenTag, ...]) -> tuple[str, ...]:
    """The names that a picture is found by: its tags and all that they are a kind of."""
    found = dict.fromkeys(tag.name for tag in tags)
    found |= dict.fromkeys(parent for tag in tags for parent in ancestors(tag.name))
    return tuple(found)[:MAX_NAMES]


def tag_range(word: str, since: str = "", until: str | None = None) -> tuple[str, str]:
    """First key, and the key behind the last, of the rows of a tag; `word` as a person says it."""
    name = _key(canonical(word))
    return f"{BEHIND}{name}#{since}", f"{BEHIND}{name}#{until}" if until else f"{BEHIND}{name}$"


def _key(name: str) -> str:
    return name.replace("#", " ").replace("$", " ")[:200]


def _uploaded(state: TagSet, event: AssetUploaded, commit: Commit) -> TagSet:
    return structs.replace(state, asset=commit.stream.rpartition("#")[2], uploaded_at=commit.recorded_at.isoformat())


def _described(state: TagSet, event: MetadataExtracted, commit: Commit) -> TagSet:
    return structs.replace(state, taken_at=event.taken_at.local if event.taken_at else None)


def _tagged(state: TagSet, event: AssetTagged, commit: Commit) -> TagSet:
    models = tuple(f"{model.name} {model.version}" for model in event.models)
    return structs.replace(state, tags=summary(event.tags), models=models, vector=event.vector)


def _quarantined(state: TagSet, event: FileQuarantined, commit: Commit) -> TagSet:
    return structs.replace(state, tags=(), models=(), vector=None)


class Tagged(Projection[TagSet]):
    """Assets by tag."""

    name = "tagged"
    version = TAXONOMY_VERSION + 1
    about = "an owner's pictures by what they show: tags, what these are a kind of, and the models that said so"
    loses_others = True
    state = TagSet
    on = {
        AssetUploaded: _uploaded,
        MetadataExtracted: _described,
        AssetTagged: _tagged,
        FileQuarantined: _quarantined,
    }

    def others(self, state: TagSet) -> Mapping[str, OtherRow]:
        """A row for each name, in the order of the date taken (of the upload without one)."""
        when = state.taken_at or state.uploaded_at
        return {f"{BEHIND}{_key(name)}#{when}#{state.asset}": OtherRow((state.asset,)) for name in names_of(state.tags)}
