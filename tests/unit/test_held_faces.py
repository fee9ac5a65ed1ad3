"""What moderation holds is shown by no view of pictures, crops of faces included."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.asset import asset_stream
from domain.events import ModerationRuled
from photovault import people as told
from photovault.cli.people import _say
from photovault.face_page import write_people
from photovault.runtime import catch_up
from projections import PROJECTIONS
from projections.people import Faces, Shown
from projections.serving import may_be_seen
from tests.support.factories import OWNER, append, moderated, recorded, renditions, uploaded, validated
from tests.support.people import vault_with

WITH_PICTURES = [p for p in PROJECTIONS if p.category == "asset" and p.safety(p.start(f"{OWNER}#asset#a1")) is not None]


@pytest.mark.parametrize("projection", WITH_PICTURES, ids=lambda p: p.name)
def test_every_view_that_leads_to_pictures_follows_moderation(projection) -> None:  # type: ignore[no-untyped-def]
    def verdict(*said):  # type: ignore[no-untyped-def]
        state = projection.start(f"{OWNER}#asset#a1")
        for each in recorded([uploaded(), validated(), renditions(), *said]):
            state = projection.evolve(state, each)
        return projection.verdict(state)

    held = moderated("hold", 0.99)
    assert verdict() is None
    assert verdict(held) == "hold"
    assert verdict(held, ModerationRuled(verdict="allow", reason="a statue")) == "allow"
    assert verdict(moderated("allow"), ModerationRuled(verdict="hold", reason="private")) == "hold"


def test_a_page_of_people_and_who_show_nothing_of_a_picture_that_is_held(tmp_path: Path) -> None:
    vault = vault_with({"m1": ["anna"], "m2": ["anna"]})
    assert told.who(vault, "m1")["picture"] is not None  # type: ignore[arg-type]
    for mark in ("m1", "m2"):
        append(vault.store, asset_stream(OWNER, mark), ModerationRuled(verdict="hold", reason="private"))
    catch_up(vault)  # type: ignore[arg-type]
    shown = told.who(vault, "m1")  # type: ignore[arg-type]
    assert (shown["picture"], shown["withheld"], shown["moderation"]) == (None, True, "hold")
    assert len(shown["faces"]) == 1
    write_people(vault, told.people(vault), tmp_path / "people.html")  # type: ignore[arg-type]
    page = (tmp_path / "people.html").read_text()
    assert "2 faces in 2 pictures" in page
    assert "<img" not in page


def test_a_picture_in_the_trash_may_not_be_seen_by_its_state() -> None:
    vault = vault_with({})
    state = Shown(asset="a1", safety="clean")
    assert may_be_seen(Faces(), state, vault.settings.serving)
    assert not may_be_seen(Faces(), Shown(asset="a1", safety="clean", trashed="2026-01-01"), vault.settings.serving)


def test_a_name_that_looks_like_markup_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    _say(False, True, "p1", "p1 is Ben [/] [red]")
    assert capsys.readouterr().out == "p1 is Ben [/] [red]\n"
