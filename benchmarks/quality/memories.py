"""How well trips and events are found: a generated library of ten years whose trips, parties, weddings and hikes are
known, and the pairwise F1 of what is found in it.

    python -m benchmarks.quality.memories score [--seeds 1 2 3 4 5] [--style steady] [--years 10]
    python -m benchmarks.quality.memories write FOLDER --seed 1        # library.jsonl and truth.json, to be looked at

A library is made by one seed alone: a household with one or two home bases (one of them moves, one family lives beside
180 degrees, one near the pole), work, parents who are visited every few weeks, ordinary days, silent weeks, cameras
without GPS, positions that jump, and pictures at home on the day of an occasion. `--style` is how much the owner
photographs: sparse (about 1,000 pictures a year), steady (2,000) or heavy (6,000).

A pair of pictures that the truth holds in one occasion, and the finder too, is right. F1 is over all pairs; `found` is
the share of true occasions for which one found occasion has a pairwise F1 of at least 0.95 with it. The seeds 1 to 5
were looked at while the thresholds were chosen; 101 to 105 were not.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
from msgspec import Struct

from adapters.ml.density import density_clusters
from domain.habits import Day, Rhythm, Track, bases_and_spots, day_of, digest, quiet_days, rhythm_of
from domain.occasions import Habits, occasions
from photovault.remembering import places_by

STYLES = {"sparse": 0.3, "steady": 1.0, "heavy": 5.0}
_DAY = 86_400.0
_FIRST = (date(2009, 1, 1) - date(1970, 1, 1)).days

_HOMES = (  # of the generated owners, by turns; the second of a pair is where they move to
    ((43.4631, 11.8783), (45.4642, 9.1900)),
    ((52.5200, 13.4050), (52.5200, 13.4050)),
    ((-17.7134, 178.0650), (-18.1416, 178.4419)),  # Fiji: 180 degrees are a day trip away
    ((78.2232, 15.6267), (69.6492, 18.9553)),  # Svalbard, then Tromsoe
    ((40.7128, -74.0060), (37.7749, -122.4194)),
)
_TARGETS = (
    (38.7223, -9.1393),
    (48.8566, 2.3522),
    (41.9028, 12.4964),
    (35.6762, 139.6503),
    (64.1466, -21.9426),
    (-36.8485, 174.7633),
    (-16.5004, -179.9900),  # Taveuni: islands on both sides of 180 degrees
    (65.0121, 25.4651),
    (37.9838, 23.7275),
    (-33.9249, 18.4241),
    (46.0207, 7.7491),
    (51.5072, -0.1276),
    (55.9533, -3.1883),
    (19.4326, -99.1332),
    (1.3521, 103.8198),
)


class Library(Struct):
    """Pictures in the order of their local time, and which occasion each belongs to (-1: none)."""

    seed: int
    style: str
    track: Track
    truth: np.ndarray
    kinds: list[str]
    homes: list[tuple[float, float]]


class _Maker:
    """Draws one library."""

    def __init__(self, seed: int, style: str, years: int) -> None:
        self.dice = np.random.default_rng(seed)
        self.rate = STYLES[style]
        self.days = round(years * 365.25)
        self.at: list[float] = []
        self.place: list[tuple[float, float]] = []
        self.group: list[int] = []
        self.kinds: list[str] = []
        self.busy = np.zeros(self.days + 60, bool)
        self.homes = _HOMES[seed % len(_HOMES)]
        self.moves = int(self.days * self.dice.uniform(0.4, 0.6))
        self.circle: dict[tuple[float, float], list[tuple[float, float]]] = {}
        self.gps_since = int(
            self.days * self.dice.uniform(0.05, 0.3)
        )  # until then most pictures are of a camera without

    def home(self, day: int) -> tuple[float, float]:
        return self.homes[0] if day < self.moves else self.homes[1]

    def around(self, where: tuple[float, float], km: float) -> tuple[float, float]:
        """A place so far away, in any direction."""
        angle = self.dice.uniform(0, 2 * math.pi)
        return moved(where, km * math.cos(angle), km * math.sin(angle))

    def friends(self, home: tuple[float, float]) -> list[tuple[float, float]]:
        """Work, a park, shops, friends and parents of a home; the parents last."""
        if home not in self.circle:
            self.circle[home] = [self.around(home, self.dice.uniform(0.5, 9)) for _ in range(9)]
            self.circle[home].append(self.around(home, self.dice.uniform(60, 110)))
        return self.circle[home]

    def add(self, day: float, seconds: float, place: tuple[float, float], group: int) -> None:
        """One picture."""
        self.at.append((_FIRST + day) * _DAY + seconds)
        self.place.append(place)
        self.group.append(group)

    def series(self, day: int, begins: float, lasts: float, pictures: int) -> np.ndarray:
        """Times of an occasion: scenes of a few pictures each."""
        scenes = max(2, round(pictures / 2.2))
        starts = np.sort(self.dice.uniform(0, lasts, scenes))
        return np.sort(
            np.concatenate([s + np.cumsum(self.dice.exponential(7, 1 + self.dice.poisson(1.2))) for s in starts])
            + begins
        )

    def make(self) -> None:
        self._trips()
        self._events()
        self._ordinary()

    def _free(self, first: int, last: int) -> bool:
        return first > 0 and last < self.days - 2 and not self.busy[first - 1 : last + 2].any()

    def _trips(self) -> None:
        for _ in range(round(self.days / 365 * self.dice.uniform(4, 6))):
            nights = int(self.dice.choice([1, 2, 2, 3, 4, 7, 7, 10, 14, 21]))
            first = int(self.dice.integers(20, self.days - 30))
            if not self._free(first, first + nights):
                continue
            group = len(self.kinds)
            self.kinds.append("trip")
            self.busy[first : first + nights + 1] = True
            home = self.home(first)
            near = nights <= 3 and self.dice.random() < 0.6
            where = (
                self.around(home, self.dice.uniform(90, 400))
                if near
                else _TARGETS[int(self.dice.integers(len(_TARGETS)))]
            )
            silent = set() if nights < 7 else set(self.dice.integers(2, nights - 1, 2).tolist())
            for n in range(nights + 1):
                if n in silent:
                    continue
                if nights > 5 and self.dice.random() < 0.25:
                    where = self.around(where, self.dice.uniform(20, 250))  # on to the next town
                begins = self.dice.uniform(12, 16) if n == 0 else self.dice.uniform(8, 10)
                ends = self.dice.uniform(12, 15) if n == nights else self.dice.uniform(19, 24.5)
                pictures = 3 + self.dice.poisson(9 * self.rate)
                for at in np.sort(self.dice.uniform(begins, max(ends, begins + 1), pictures)) * 3600:
                    self.add(first + n, at, self.around(where, abs(self.dice.normal(0, 4))), group)

    def _events(self) -> None:
        for _ in range(round(self.days / 365 * self.dice.uniform(9, 13))):
            day = int(self.dice.integers(20, self.days - 10))
            if not self._free(day, day):
                continue
            home = self.home(day)
            kind = str(self.dice.choice(["party", "party", "wedding", "hike", "hike", "outing"]))
            group = len(self.kinds)
            self.kinds.append(kind)
            self.busy[day] = True
            if kind == "party":
                at_home = self.dice.random() < 0.3
                where = home if at_home else self.friends(home)[int(self.dice.integers(4, 9))]
                begins, lasts, pictures = self.dice.uniform(17, 20), self.dice.uniform(3, 7), 35
            elif kind == "wedding":
                where = self.around(home, self.dice.uniform(5, 60))
                begins, lasts, pictures = self.dice.uniform(11, 14), self.dice.uniform(8, 13), 90
            else:
                where = self.around(home, self.dice.uniform(15, 70))
                begins, lasts, pictures = self.dice.uniform(9, 11), self.dice.uniform(4, 7), 45
            pictures = round(pictures * (0.5 + 0.5 * self.rate) * self.dice.uniform(0.8, 1.6))
            path = self.around((0.0, 0.0), 1.0)
            times = self.series(day, begins * 3600, lasts * 3600, pictures)
            for at in times:
                share = (at - times[0]) / max(1.0, times[-1] - times[0])
                spot = where
                if kind == "hike":  # there and back
                    way = 6 * (1 - abs(2 * share - 1))
                    spot = moved(where, path[0] * 111 * way, path[1] * 111 * way)
                self.add(day, at, self.around(spot, abs(self.dice.normal(0, 0.06))), group)

    def _ordinary(self) -> None:
        day = 0
        while day < self.days:
            if self.dice.random() < 0.008:
                day += int(self.dice.integers(3, 12))  # nothing for a while
                continue
            likely = 0.55 if self.rate >= 1 else 0.3
            if not self.busy[day] and self.dice.random() < likely:
                self._ordinary_day(day)
            elif self.busy[day] and self.dice.random() < 0.3:
                self._beside(day)
            day += 1

    def _ordinary_day(self, day: int) -> None:
        home = self.home(day)
        circle = self.friends(home)
        parents = day % 7 in (2, 3) and day // 7 % 3 == 0 and not self.busy[day - day % 7 : day + 3].any()
        for _ in range(1 + self.dice.poisson(0.8)):
            where = home if self.dice.random() < 0.6 else circle[int(self.dice.integers(0, 9))]
            where = circle[9] if parents else where
            begins = self.dice.uniform(8, 22) * 3600
            for at in begins + np.cumsum(self.dice.exponential(120, 1 + self.dice.poisson(1.2 + 1.6 * self.rate))):
                self.add(day, at, self.around(where, abs(self.dice.normal(0, 0.05))), -1)

    def _beside(self, day: int) -> None:
        """A few pictures at home on the day of an occasion, hours before it or after; not during a trip."""
        mine = [i for i, at in enumerate(self.at) if self.group[i] >= 0 and int(at // _DAY) - _FIRST == day]
        if not mine or self.kinds[self.group[mine[0]]] == "trip":
            return
        first = min(self.at[i] for i in mine) % _DAY
        if first > 13 * 3600:
            for at in self.dice.uniform(8 * 3600, first - 4.5 * 3600, 2):
                self.add(day, at, self.around(self.home(day), 0.05), -1)


def moved(where: tuple[float, float], north_km: float, east_km: float) -> tuple[float, float]:
    """A position so far away; over a pole and over 180 degrees."""
    lat, lon = math.radians(where[0]), math.radians(where[1])
    distance, bearing = math.hypot(north_km, east_km) / 6371.0088, math.atan2(east_km, north_km)
    north = math.asin(math.sin(lat) * math.cos(distance) + math.cos(lat) * math.sin(distance) * math.cos(bearing))
    east = lon + math.atan2(
        math.sin(bearing) * math.sin(distance) * math.cos(lat), math.cos(distance) - math.sin(lat) * math.sin(north)
    )
    return math.degrees(north), (math.degrees(east) + 540) % 360 - 180


def generate(seed: int, style: str = "steady", years: int = 10) -> Library:
    """One owner's library."""
    maker = _Maker(seed, style, years)
    maker.make()
    dice = maker.dice
    at, place = np.array(maker.at), np.array(maker.place)
    group = np.array(maker.group)
    early = at < (_FIRST + maker.gps_since) * _DAY
    lost = dice.random(len(at)) < np.where(early, 0.6, 0.12)
    glitch = dice.random(len(at)) < 0.002
    place[glitch] = np.stack((dice.uniform(-60, 60, glitch.sum()), dice.uniform(-180, 180, glitch.sum())), axis=1)
    place[lost] = np.nan
    order = np.argsort(at, kind="stable")
    ids = [f"{seed:03}{n:08}" for n in range(len(at))]
    track = Track(ids, at[order], place[order, 0], place[order, 1])
    return Library(seed, style, track, group[order], maker.kinds, list(maker.homes))


# --- the finder, whole -----------------------------------------------------------------------------------------------


def habits_of(track: Track) -> tuple[Habits, list[Day]]:
    """Habits from a whole track."""
    numbers = np.array([day_of(at) for at in track.at])
    edges = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1, append=numbers[-1] + 1))
    days = [digest(int(numbers[a]), track.part(slice(int(a), int(b)))) for a, b in pairwise(edges.tolist())]
    by_year: dict[int, list[Day]] = defaultdict(list)
    for each in days:
        by_year[1970 + int(each.day / 365.2425)].append(each)
    bases, _ = bases_and_spots(days, places_by(density_clusters))
    usual = rhythm_of(days, Rhythm(quiet_days=quiet_days(days, bases)))
    return Habits(bases, {year: rhythm_of(some, usual) for year, some in by_year.items()}, usual), days


def labels_of(track: Track, habits: Habits) -> np.ndarray:
    """For each picture the number of its occasion; -1: none."""
    found = np.full(len(track), -1)
    for n, each in enumerate(occasions(track, habits)):
        found[list(each.members)] = n
    return found


# --- scores ----------------------------------------------------------------------------------------------------------


def of_pairs(found: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Precision, recall and F1 over pairs of pictures in one occasion."""
    both = Counter((f, t) for f, t in zip(found.tolist(), truth.tolist(), strict=True) if f >= 0 and t >= 0)
    right = sum(n * (n - 1) // 2 for n in both.values())
    said = sum(n * (n - 1) // 2 for n in Counter(found[found >= 0].tolist()).values())
    true = sum(n * (n - 1) // 2 for n in Counter(truth[truth >= 0].tolist()).values())
    return right / max(1, said), right / max(1, true), 2 * right / max(1, said + true)


def each_f1(found: np.ndarray, truth: np.ndarray) -> dict[int, float]:
    """For each true occasion the best pairwise F1 that one found occasion has with it."""
    sizes = Counter(found.tolist())
    best: dict[int, float] = {}
    for t in range(int(truth.max()) + 1):
        mine = truth == t
        whole = int(mine.sum())
        if whole < 2:
            continue
        pairs = [(n * (n - 1), sizes[f] * (sizes[f] - 1)) for f, n in Counter(found[mine].tolist()).items() if f >= 0]
        best[t] = max((2 * right / (said + whole * (whole - 1)) for right, said in pairs if said), default=0.0)
    return best


def score(library: Library) -> dict[str, float]:
    """What was measured of one library."""
    began = time.perf_counter()
    habits, _ = habits_of(library.track)
    found = labels_of(library.track, habits)
    took = time.perf_counter() - began
    precision, recall, f1 = of_pairs(found, library.truth)
    best = each_f1(found, library.truth)
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for t, value in best.items():
        by_kind[library.kinds[t]].append(value >= 0.95)
    return {
        "pictures": len(library.track),
        "occasions": len(best),
        "found": float(np.mean([value >= 0.95 for value in best.values()])),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "false": sum(1 for f in set(found.tolist()) - {-1} if not (library.truth[found == f] >= 0).any()),
        "bases": len(habits.bases),
        "seconds": took,
    } | {kind: float(np.mean(some)) for kind, some in sorted(by_kind.items())}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was measured, or write a library out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.memories")
    commands = parser.add_subparsers(dest="what", required=True)
    scored, written = commands.add_parser("score"), commands.add_parser("write")
    for each in (scored, written):
        each.add_argument("--style", choices=tuple(STYLES), default="steady")
        each.add_argument("--years", type=int, default=10)
    scored.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    written.add_argument("folder", type=Path)
    written.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.what == "write":
        write(generate(options.seed, options.style, options.years), options.folder)
        return
    for seed in options.seeds:
        print(
            f"seed {seed}:",
            "  ".join(_shown(*each) for each in score(generate(seed, options.style, options.years)).items()),
            flush=True,
        )


def _shown(name: str, value: float) -> str:
    return f"{name} {value:,}" if isinstance(value, int) else f"{name} {value:.3f}"


def write(library: Library, folder: Path) -> None:
    """The library as JSON lines, one a picture, and its truth."""
    folder.mkdir(parents=True, exist_ok=True)
    track = library.track
    with (folder / "library.jsonl").open("w", encoding="utf-8") as out:
        for ident, at, lat, lon in zip(track.ids, track.at, track.lat, track.lon, strict=True):
            local = str(np.datetime64(round(at), "s"))
            where = {} if np.isnan(lat) else {"latitude": round(lat, 6), "longitude": round(lon, 6)}
            out.write(json.dumps({"asset": ident, "local": local} | where) + "\n")
    groups = [
        {"kind": kind, "members": [track.ids[i] for i in np.flatnonzero(library.truth == n)]}
        for n, kind in enumerate(library.kinds)
    ]
    truth = {"seed": library.seed, "style": library.style, "homes": library.homes, "occasions": groups}
    (folder / "truth.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")
    print(f"{len(track):,} pictures and {len(groups)} occasions in {folder}")


if __name__ == "__main__":
    main()
