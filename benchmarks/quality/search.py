"""How good search is: written questions over photos that packages carry, words alone against words with meaning.

    python -m benchmarks.quality.photos build/photos       # once; beside PHOTOVAULT_MEDIA
    python -m benchmarks.quality.search --photos build/photos [--failures] [--sweep] [--opensearch]

Every photo is renamed to IMG_0001 and so on, so that no file's name gives an answer away; it goes through the whole
pipeline with the installed models. A photo that answers a question fully has grade 2, one that answers it in part 1
(the tables below, written by looking at the pictures). Prints nDCG@10 and recall@10, means over all questions and over
two halves (every second question): what is chosen is chosen on the first, and the second says what that is worth.
`like:` is measured on groups of pictures of one scene or subject (SCENES): the share of the group's others among as
many nearest ones, by the vector of words, by the classifier's vector of the picture, and by its sketch.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from adapters.local import search as index
from domain.asset import fold
from domain.embedding import sketched
from photovault.config import Settings, models_folder
from photovault.importer import import_files
from photovault.runtime import Runtime
from photovault.searching import search
from photovault.vault import Vault
from projections.indexing import IndexedViewStore
from projections.search import Search

AREZZO = "DSCN0025 DSCN0027 DSCN0029 DSCN0038 DSCN0040 DSCN0042"
PARK = "DSCN0010 DSCN0012 DSCN0021"
MEN = "person_a_1 person_a_2 person_a_3 person_a_and_b person_b_1 person_b_2"
BLOSSOM = "iphone_hdr_NO iphone_hdr_YES"

SCENES = (MEN, BLOSSOM, AREZZO, PARK, "Kodak_CX7530 Canon_40D Nikon_D70", "flower Pentax_K10D", "rocket astronaut")
"""Pictures of one subject, walk or scene."""

QUESTIONS: tuple[tuple[str, str, str], ...] = (
    # question, photos of grade 2, photos of grade 1
    ("cat", "chelsea", ""),
    ("kitten", "chelsea", ""),
    ("a pet", "chelsea", ""),
    ("tabby", "chelsea", ""),
    ("whiskers", "chelsea", ""),
    ("coffee", "coffee", ""),
    ("hot drink", "coffee", ""),
    ("cappuccino", "coffee", ""),
    ("breakfast", "coffee", ""),
    ("cup and saucer", "coffee", ""),
    ("beer", "Samsung_GT-I9505_(Galaxy_S4)", ""),
    ("drinks at a bar", "Samsung_GT-I9505_(Galaxy_S4)", "coffee"),
    ("pub", "Samsung_GT-I9505_(Galaxy_S4)", ""),
    ("alcohol", "Samsung_GT-I9505_(Galaxy_S4)", ""),
    ("rocket", "rocket", ""),
    ("space launch", "rocket", "astronaut"),
    ("missile", "rocket", ""),
    ("astronaut", "astronaut", ""),
    ("space suit", "astronaut", ""),
    ("motorcycle", "motorcycle_left", ""),
    ("motorbike", "motorcycle_left", ""),
    ("two wheeled vehicle", "motorcycle_left", ""),
    ("photographer", "camera", ""),
    ("tripod", "camera", ""),
    ("filming", "camera", ""),
    ("money", "coins", ""),
    ("coins", "coins", ""),
    ("horse", "horse", ""),
    ("moon", "moon", ""),
    ("stars in the night sky", "hubble_deep_field", "moon"),
    ("galaxy", "hubble_deep_field", ""),
    ("flower", f"flower Pentax_K10D {BLOSSOM}", "Motorola_XT1068_(Moto_G)"),
    ("dahlia", "flower", ""),
    ("blossom", f"flower {BLOSSOM}", "Pentax_K10D"),
    ("rose", "Pentax_K10D", "flower"),
    ("plant", f"flower Motorola_XT1068_(Moto_G) {BLOSSOM} Pentax_K10D", "grass Apple_iPhone_6"),
    ("temple", "china", "DSCN0040"),
    ("pagoda", "china", ""),
    ("palace by the lake", "china", ""),
    ("asian architecture", "china", ""),
    ("tower", "china", "DSCN0042"),
    ("waterfall", "Landscape_0", ""),
    ("river", "Landscape_0", ""),
    ("nature", "Landscape_0", f"{PARK} Portrait_0"),
    ("geyser", "Portrait_0", ""),
    ("sunset", "HMD_Nokia_8.3_5G", ""),
    ("parking lot", "HMD_Nokia_8.3_5G", ""),
    ("chandelier", "canon_hdr_YES", ""),
    ("lamp", "canon_hdr_YES", ""),
    ("frog", "Canon_40D", ""),
    ("lizard", "Kodak_CX7530", ""),
    ("snake", "Nikon_D70", ""),
    ("reptile", "Kodak_CX7530 Nikon_D70", "Canon_40D"),
    ("camel", "long_description", ""),
    ("church", "DSCN0027 DSCN0040", "DSCN0042"),
    ("old town", AREZZO, ""),
    ("narrow street", "DSCN0029 DSCN0038 DSCN0042", "DSCN0025 DSCN0027"),
    ("italy", f"{AREZZO} {PARK}", ""),
    ("arezzo october", f"{AREZZO} {PARK}", ""),
    ("place:arezzo church", "DSCN0027 DSCN0040", "DSCN0042"),
    ("october 2008", f"{AREZZO} {PARK}", ""),
    ("autumn leaves", "jolla DSCN0012", "DSCN0010 DSCN0021"),
    ("trees in a park", "DSCN0012 DSCN0021", "DSCN0010"),
    ("bench", "DSCN0021", ""),
    ("man in a suit", MEN, ""),
    ("politician", MEN, ""),
    ("necktie", MEN, ""),
    ("people", f"{MEN} astronaut camera", "DSCN0025 Portrait_0"),
    ("brick wall", "brick", ""),
    ("lawn", "grass", ""),
    ("text on paper", "page", ""),
    ("animal", "chelsea horse Canon_40D Kodak_CX7530 Nikon_D70 long_description", ""),
    ("motorcicle", "motorcycle_left", ""),
    ("cofee", "coffee", ""),
    ("camera:nikon church", "DSCN0027 DSCN0040", "DSCN0042"),
)


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--failures", action="store_true", help="list the questions that are not answered well")
    options.add_argument("--opensearch", action="store_true", help="ask the same of an emulated OpenSearch")
    options.add_argument("--photos", type=Path, help="where benchmarks.quality.photos put the packages' pictures")
    options.add_argument("--sweep", action="store_true", help="what another least cosine would do to each half")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos, names = Path(folder) / "photos", {}
        photos.mkdir()
        for number, path in enumerate(_photos(asked.photos), 1):
            copy = photos / f"IMG_{number:04}{path.suffix if path.suffix != '.png' else '.jpg'}"
            if path.suffix == ".png":
                with Image.open(path, formats=["PNG"]) as picture:
                    picture.convert("RGB").save(copy, quality=92)
            else:
                shutil.copy(path, copy)
            names[copy.name] = path.stem
        print(f"{len(names)} photos, {len(QUESTIONS)} questions, models in {models_folder()}")
        with Vault(Settings(Path(folder) / "vault", "me", 2), create=True) as vault:
            import_files(vault, sorted(photos.iterdir()))
            Runtime(vault).run()
            for title, lexical in (("words alone", True), ("words and meaning", False)):
                _measure(vault, names, title, lexical=lexical, failures=asked.failures)
            for least in (0.15, 0.2, 0.3, 0.35) if asked.sweep else ():
                with mock.patch.object(index, "SIMILAR_LEAST", least):
                    _measure(vault, names, f"from cosine {least}", lexical=False, failures=False)
            _alike(vault, names)
            if asked.opensearch:
                _beside(vault, names)


def _beside(vault: Vault, names: dict[str, str]) -> None:
    """The same library in an emulated OpenSearch."""
    from adapters.aws.opensearch import OpenSearchIndex
    from tests.support.opensearch_server import emulator

    with emulator() as server, server.client() as client:
        index = OpenSearchIndex(client, "photovault-benchmark-")
        _, table = vault.generations.active(Search.name)
        IndexedViewStore(vault.views, index, vault.blobs.get).refill(table)
        vault.index = index  # type: ignore[assignment]
        for title, lexical in (("OpenSearch, words", True), ("with meaning", False)):
            _measure(vault, names, title, lexical=lexical, failures=False)


def _measure(vault: Vault, names: dict[str, str], title: str, *, lexical: bool, failures: bool) -> None:
    gains: list[float] = []
    recalls: list[float] = []
    missed = []
    for question, full, part in QUESTIONS:
        grades = dict.fromkeys(part.split(), 1.0) | dict.fromkeys(full.split(), 2.0)
        grades = {name: grade for name, grade in grades.items() if name in names.values()}
        if not grades:
            continue
        items = search(vault, question, date(2026, 11, 24), limit=10, lexical=lexical).items
        found = [names[item["file_name"]] for item in items]
        best = sorted(grades.values(), reverse=True)[:10]
        gains.append(_dcg([grades.get(name, 0.0) for name in found]) / _dcg(best))
        recalls.append(len(set(found) & set(grades)) / min(10, len(grades)))
        if gains[-1] < 0.5:
            missed.append(f"  {question!r}: nDCG {gains[-1]:.2f}, found {', '.join(found[:4]) or 'nothing'}")
    for which, start, step in (("all", 0, 1), ("first half", 0, 2), ("second half", 1, 2)):
        gain, recall = (statistics.mean(each[start::step]) for each in (gains, recalls))
        print(f"{title:18} {which:12} {len(gains[start::step]):3} nDCG@10 {gain:.3f}   recall@10 {recall:.3f}")
    if failures:
        print("\n".join(missed))


def _alike(vault: Vault, names: dict[str, str]) -> None:
    """How many of a scene's pictures are nearest to one of them, by two vectors."""
    streams = {commit.stream for commit in vault.commits.tail(None, 100_000).commits if "#asset#" in commit.stream}
    assets = [fold(stream, vault.store.load(stream).events) for stream in sorted(streams)]
    assets = [each for each in assets if each.tagged and each.tagged.vector and each.embedded]
    stems = [names[each.uploaded.file_name] for each in assets if each.uploaded]
    for title, blobs in (
        ("by words", [vault.blobs.get(each.embedded.vector) for each in assets if each.embedded]),
        ("by the picture", [vault.blobs.get(each.tagged.vector or "") for each in assets if each.tagged]),
        ("by its sketch", [sketched(vault.blobs.get(each.tagged.vector or "")) for each in assets if each.tagged]),
    ):
        rows = np.stack([np.frombuffer(blob, "<f2").astype(np.float32) for blob in blobs])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        near = rows @ rows.T
        np.fill_diagonal(near, -1)
        shares = []
        for group in (set(each.split()) & set(stems) for each in SCENES):
            for name in group:
                first = np.argsort(-near[stems.index(name)])[: len(group) - 1]
                shares.append(sum(stems[i] in group for i in first) / max(1, len(group) - 1))
        apart = np.percentile(near[np.triu_indices(len(near), 1)], (10, 50, 90, 99)).round(2)
        share = statistics.mean(shares)
        print(f"like: {title:16} {len(shares)} pictures of {len(assets)}: {share:.3f}; cosines of pairs {apart}")


def _dcg(grades: Sequence[float]) -> float:
    return sum((2**grade - 1) / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


def _photos(cache: Path | None) -> list[Path]:
    wanted = {name for _, full, part in QUESTIONS for name in (full + " " + part).split()}
    folders: list[Path] = []
    if "PHOTOVAULT_MEDIA" in os.environ:
        media = Path(os.environ["PHOTOVAULT_MEDIA"])
        folders += [media / "camera", media / "gps", media / "faces", media / "orientation"]
    for distribution, package, inside in (
        ("scikit-image", "skimage", "data"),
        ("scikit-learn", "sklearn", "datasets/images"),
    ):
        spec = find_spec(package)
        if cache is not None:
            folders.append(cache / distribution / package / inside)
        elif spec and spec.origin:
            folders.append(Path(spec.origin).parent / inside)
    found = {
        path.stem: path
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.suffix in (".jpg", ".png") and path.stem in wanted
    }
    return [found[name] for name in sorted(found)]


if __name__ == "__main__":
    main()
