"""Which pictures a memory shows, and which is its cover: good ones, each of another scene, and no two that look alike.

A score is 0 to 1 and says how glad a person would be to see a picture; the weights are our own, set by looking at what
is chosen of sample photos. A choice walks through time: the pictures are cut into as many stretches as are asked for,
and each gives its best; what stretches leave over is filled with the best of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.likeness import NEAR, distance
from domain.moment import Glance, Moment, local_seconds
from domain.quality import Look, poster_score

__all__ = ["cover", "how_many", "pick", "pick_by_year", "score"]

_UNSEEN = 0.45  # of a picture that was never measured
_SCENE_S = 60.0
"""Two pictures of a scene are shown only when there is nothing else."""


def score(moment: Moment) -> float:
    """How good a picture is to look at, 0 to 1."""
    looks = _looks(moment.glance) if moment.glance else _UNSEEN
    faces = [face for face in moment.faces if face.share > 0.002]
    with_people = 0.0
    if faces:
        good = sum(face.good for face in faces) / len(faces)
        with_people = 0.10 + 0.15 * good
    said = 0.25 * moment.favourite
    if moment.rating is not None:
        said += {-1: -1.0, 1: -0.2, 4: 0.15, 5: 0.25}.get(moment.rating, 0.0)
    return max(0.0, min(1.0, 0.6 * looks + with_people + said))


def _looks(glance: Glance) -> float:
    look = Look(0, glance.brightness, glance.contrast, glance.sharpness, glance.dark)
    small = 0.6 if 0 < glance.megapixels < 0.5 else 1.0
    return poster_score(look) * small


def how_many(members: int) -> int:
    """How many pictures a memory with so many members shows: all of a few, 30 of very many."""
    return min(members, 30, int(4 + 1.2 * members**0.5))


def pick(moments: Sequence[Moment], count: int) -> list[Moment]:
    """At most so many pictures, in the order of time.

    Args:
        moments: those that may be shown, in the order of time.
    Cost:
        Each chosen picture is compared with each that is considered.
    """
    if not moments:
        return []
    best = sorted(((score(each), each) for each in moments), key=lambda item: (-item[0], item[1].asset))
    at = {each.asset: local_seconds(each.local or "1970-01-01") for each in moments}
    first, last = min(at.values()), max(at.values())
    width = max(1.0, (last - first) / max(1, count))
    chosen: dict[str, Moment] = {}
    full: set[int] = set()
    for fresh in (True, False):  # first one of each stretch and scene; then whatever is not alike
        for _, each in best:
            if len(chosen) >= count:
                break
            stretch = int((at[each.asset] - first) / width)
            if each.asset in chosen or (fresh and stretch in full) or any(_alike(each, c) for c in chosen.values()):
                continue
            if any(abs(at[each.asset] - at[other]) < _SCENE_S for other in chosen) and fresh:
                continue
            chosen[each.asset] = each
            full.add(stretch)
    return sorted(chosen.values(), key=lambda each: (at[each.asset], each.asset))


def pick_by_year(moments: Sequence[Moment], most: int = 30) -> list[Moment]:
    """As `pick`, with a share of the places for each year, the newest first: no year is shown by one party alone."""
    years: dict[str, list[Moment]] = {}
    for each in moments:
        years.setdefault((each.local or "")[:4], []).append(each)
    share = max(2, most // max(1, len(years)))
    chosen = [each for year in sorted(years, reverse=True) for each in pick(years[year], share)]
    return chosen[:most]


def cover(chosen: Sequence[Moment]) -> Moment:
    """The best of those that are shown; a picture rather than a video."""
    return max(chosen, key=lambda each: (each.kind == "image", score(each), each.asset))


def _alike(a: Moment, b: Moment) -> bool:
    if a.pixels is not None and a.pixels == b.pixels:
        return True
    return a.phash is not None and b.phash is not None and distance(a.phash, b.phash) <= NEAR
