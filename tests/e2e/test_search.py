"""`photovault search` and `suggest` on real photos, as a family calls them; with models where they are installed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from adapters.ml.store import ModelStore
from photovault.cli import main
from photovault.config import models_folder

PHOTOS = (
    "gps/DSCN0027.jpg",
    "gps/DSCN0029.jpg",
    "gps/DSCN0021.jpg",
    "camera/Pentax_K10D.jpg",
    "camera/Kodak_CX7530.jpg",
    "faces/person_a_1.jpg",
)
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Grandmother's village</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>"""

Said = Callable[..., str]


@pytest.fixture(scope="module")
def home(sample_media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos, home = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("vault") / "home"
    missing = [name for name in PHOTOS if not (sample_media / name).is_file()]
    if missing:
        pytest.skip(f"the sample media have no {missing[0]}")
    for name in PHOTOS:
        shutil.copy(sample_media / name, photos)
    (photos / "DSCN0027.jpg.xmp").write_text(XMP)
    for owner, what in (("me", photos), ("ben", photos / "Kodak_CX7530.jpg")):
        assert _call("--home", home, "--owner", owner, "ingest", what) == 0
        assert _call("--home", home, "--owner", owner, "work") == 0
    return home


def _call(*arguments: str | Path) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.fixture
def said(home: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    def run(*arguments: str | Path, owner: str = "me", code: int = 0) -> str:
        capsys.readouterr()
        assert _call("--home", home, "--owner", owner, *arguments) == code
        written = capsys.readouterr()
        return written.err if code else written.out

    return run


def _files(said: Said, *query: str, owner: str = "me", meaning: bool = False) -> list[str]:
    options = ["--json"] if meaning else ["--json", "--words-only"]
    return [item["file_name"] for item in json.loads(said("search", *options, "--", *query, owner=owner))["items"]]


def test_words_places_and_times_find_and_filter(said: Said) -> None:
    assert _files(said, "grandmother") == ["DSCN0027.jpg"]
    assert set(_files(said, "place:arezzo")) == {"DSCN0027.jpg", "DSCN0029.jpg", "DSCN0021.jpg"}
    assert _files(said, "place:arezzo", "is:favourite") == ["DSCN0027.jpg"]
    assert set(_files(said, "place:arezzo", "-grandmother")) == {"DSCN0029.jpg", "DSCN0021.jpg"}
    assert _files(said, "grandmother", "after:2015") == []
    assert _files(said, "near:43.46,11.88,20", "october", "2008", "grandmother")[0] == "DSCN0027.jpg"


def test_a_misspelt_word_is_searched_as_its_nearest_and_says_so(said: Said) -> None:
    found = json.loads(said("search", "--json", "--words-only", "grandmothr"))
    assert [item["file_name"] for item in found["items"]] == ["DSCN0027.jpg"]
    assert found["semantic"] is False
    assert "grandmothr" in found["corrected"]
    assert "searched for" in said("search", "--words-only", "grandmothr")


def test_explain_names_the_field_that_has_the_word(said: Said) -> None:
    written = " ".join(said("search", "--explain", "--words-only", "grandmother").split())
    assert "words #1" in written
    [item] = json.loads(said("search", "--json", "--explain", "--words-only", "grandmother"))["items"]
    assert item["why"]["lexical_rank"] == 1
    assert any(each.startswith("text: ") for each in item["why"]["matched"])


def test_pages_join_and_each_counts_all(said: Said) -> None:
    first = json.loads(said("search", "--json", "--limit", "2", "place:arezzo"))
    rest = json.loads(said("search", "--json", "--limit", "2", "--cursor", first["cursor"], "place:arezzo"))
    assert first["total"] == rest["total"] == 3
    assert len({item["asset"] for item in first["items"] + rest["items"]}) == 3
    assert rest["cursor"] is None
    assert "start again" in said("search", "--cursor", first["cursor"], "grandmother", code=2)


def test_results_become_a_page_and_a_sheet(said: Said, tmp_path: Path) -> None:
    page, sheet = tmp_path / "found.html", tmp_path / "found.jpg"
    said("search", "--html", page, "--sheet", sheet, "place:arezzo")
    assert len(re.findall(r"<img", page.read_text())) == 3
    with Image.open(sheet) as drawn:
        assert min(drawn.size) > 100


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("rating:9", "rating:9"),
        ("before:someday", "is no date"),
        ("is:purple", "there are: favourite"),
        ("near:here", "near: takes"),
        ("like:nothing-like-it", "there is no asset"),
    ],
)
def test_what_can_t_be_meant_says_what_can(said: Said, query: str, says: str) -> None:
    code = 1 if query.startswith("like:") else 2
    assert says in " ".join(said("search", query, code=code).split())


def test_suggestions_are_the_owner_s_own(said: Said) -> None:
    assert json.loads(said("suggest", "--json", "are"))["items"] == ["arezzo"]
    assert "arezzo" in said("suggest", "are")
    assert json.loads(said("suggest", "--json", "are", owner="ben"))["items"] == []
    assert _files(said, "grandmother", owner="ben") == []
    mine = json.loads(said("search", "--json", "--words-only", "grandmother"))["items"][0]["asset"]
    assert "there is no asset" in said("search", f"like:{mine}", owner="ben", code=1)


@pytest.mark.skipif(
    not ModelStore(models_folder()).has("efficientnet-lite0", "nanodet", "minilm-l6-v2"), reason="no models installed"
)
def test_with_models_what_is_seen_is_found_by_what_it_means(said: Said) -> None:
    found = json.loads(said("search", "--json", "--explain", "cold-blooded animal"))
    assert found["semantic"] is True
    assert found["items"][0]["file_name"] == "Kodak_CX7530.jpg"
    assert found["items"][0]["why"]["semantic_rank"] == 1
    assert found["items"][0]["why"]["similarity"] >= 0.25
    church = json.loads(said("search", "--json", "--words-only", "grandmother"))["items"][0]["asset"]
    alike = _files(said, f"like:{church}", meaning=True)
    assert "DSCN0027.jpg" not in alike
    assert set(alike) <= {Path(name).name for name in PHOTOS}
