"""The look for memories in a vault: what it makes of events and revises, what it never shows, and what it reads."""

from __future__ import annotations

from datetime import date

import pytest

from domain.events import (
    FaceAssigned,
    FacesDetected,
    PersonDiscovered,
    PersonHidden,
    PersonNamed,
    PersonsMerged,
)
from domain.memory_events import MemoryCreated, MemoryRevised
from domain.person import person_stream
from domain.recognition import ModelUse
from domain.scanning import Serving
from photovault import memories as told
from photovault.memories import Reader
from photovault.rebuilding import rebuild
from tests.support.factories import (
    append,
    favourite,
    fingerprint,
    metadata,
    moderated,
    restored,
    ruled,
    run,
    sha,
    tagged,
    trashed,
)
from tests.support.fakes import active_rows, outcomes
from tests.support.people import face
from tests.support.remembering import HOME, LISBON, Album, ordinary, series

PARTY = series("2008-10-17T18:00", 25, 10, (43.50, 11.90))
NIGHT = [*series("2008-11-07T15:00", 6, 40, LISBON), *series("2008-11-09T10:00", 6, 40, LISBON)]


def years(album: Album) -> Album:
    """A history in which home is known, with an ordinary rhythm."""
    album.add(ordinary("2008-01-01", 285, every=3))
    album.add(ordinary("2008-10-20", 12, every=3))
    album.add(ordinary("2008-11-15", 100, every=3))
    return album


@pytest.fixture
def album() -> Album:
    return years(Album())


def reader(album: Album, serving: Serving | None = None) -> Reader:
    return Reader(album.vault, album.owner, serving or Serving(), album.vault.locate)


def shown(album: Album, kind: str) -> list[str]:
    albums, _ = reader(album).page(limit=500)
    return [each["asset"] for one in albums if one.memory["kind"] == kind for each in one.items]


class TestWhatIsMade:
    def test_a_party_and_a_trip_are_found_among_ordinary_days(self, album: Album) -> None:
        party, night = album.add(PARTY, city="Arezzo"), album.add(NIGHT, city="Lisbon")
        album.look()
        (event,), (trip,) = album.memories("event"), album.memories("trip")
        assert event.found is not None
        assert trip.found is not None
        assert (event.found.title, list(event.found.members)) == ("Evening in Arezzo, 17 October 2008", party)
        assert (trip.found.title, list(trip.found.members)) == ("Weekend in Lisbon, November 2008", night)

    def test_this_day_in_other_years(self, album: Album) -> None:
        album.add(NIGHT)
        album.look(date(2026, 11, 9))
        (day,) = album.memories("on_this_day")
        assert day.found is not None
        assert day.found.title == "On this day, 9 November 2008"
        assert {each[:10] for each in (day.found.since, day.found.until)} == {"2008-11-09"}

    def test_the_best_of_a_month_comes_when_the_month_is_over(self, album: Album) -> None:
        album.add(series("2026-05-02T10:00", 30, 300, HOME))
        album.look(date(2026, 5, 20))
        assert "best:2026-05" not in self.subjects(album)
        rest(album)
        made = album.look(date(2026, 6, 1))
        assert "best:2026-05" in self.subjects(album)
        assert made.changed == 0

    def test_a_theme_is_what_is_photographed_again_and_again(self, album: Album) -> None:
        for day in ("2008-02-01", "2008-05-01", "2008-08-01"):
            album.add(series(f"{day}T13:00", 4, 3, HOME), tagged("dog"))
        album.look()
        assert "theme:dog" in self.subjects(album)

    def test_a_place_away_from_home_that_is_seen_again(self, album: Album) -> None:
        for day in ("2008-02-02", "2008-02-03", "2008-07-05", "2008-07-06", "2008-09-06"):
            album.add(series(f"{day}T11:00", 3, 30, LISBON), city="Lisbon")
        album.look()
        (place,) = album.memories("place")
        assert place.found is not None
        assert place.found.title == "Back in Lisbon: three times"

    def test_a_person_through_the_years(self, album: Album) -> None:
        known(album, "p1", "Anna")
        for year in (2008, 2009, 2010):
            for ident in album.add(series(f"{year}-03-01T12:00", 4, 60, HOME)):
                album.tell(ident, *seen("p1"))
        album.look()
        (person,) = album.memories("person")
        assert person.found is not None
        assert person.found.title == "Anna through the years, 2008 to 2010"

    def subjects(self, album: Album) -> set[str]:
        return {f"{m.found.kind}:{m.found.subject}" for m in album.memories() if m.found}


class TestIdentity:
    def test_late_uploads_revise_the_memory_and_say_what_changed(self, album: Album) -> None:
        album.add(NIGHT, city="Lisbon")
        album.look()
        (before,) = album.memories("trip")
        late = album.add(series("2008-11-08T10:00", 5, 30, LISBON), city="Lisbon")
        made = album.look()
        (after,) = album.memories("trip")
        assert after.id == before.id
        assert (made.created, made.revised) == (0, 1)
        (event,) = [e for es in outcomes(album.vault, ("memory",)).values() for e in es if isinstance(e, MemoryRevised)]
        assert list(event.added) == late
        assert "members" in event.changes

    def test_an_earlier_first_picture_does_not_make_a_second_memory(self, album: Album) -> None:
        album.add(NIGHT)
        album.look()
        album.add(series("2008-11-07T08:00", 3, 20, LISBON))
        album.look()
        assert len(album.memories("trip")) == 1

    def test_a_dismissed_memory_stays_dismissed_when_it_is_revised(self, album: Album) -> None:
        album.add(NIGHT)
        album.look()
        (trip,) = album.memories("trip")
        assert told.dismiss(album.vault, album.owner, trip.id)
        late = album.add(series("2008-11-08T10:00", 5, 30, LISBON))
        album.look()
        (after,) = album.memories("trip")
        assert after.dismissed
        assert set(late) < set(after.found.members if after.found else ())
        assert not shown(album, "trip")
        assert told.restore(album.vault, album.owner, trip.id)
        album.look()
        assert shown(album, "trip")

    def test_a_look_at_everything_finds_the_same_memories(self, album: Album) -> None:
        album.add(PARTY)
        album.add(NIGHT)
        album.look()
        before = album.memories()
        made = album.look(whole=True)
        assert (made.created, made.revised, made.retired) == (0, 0, 0)
        assert album.memories() == before

    def test_what_was_looked_at_can_be_lost(self, album: Album) -> None:
        album.add(PARTY)
        album.look()
        for kind in ("memories", f"memory-days#{album.owner}", f"memory-pools#{album.owner}"):
            for entry in list(album.vault.checkpoints.list(kind)):
                album.vault.checkpoints.delete(kind, entry.name)
        made = album.look()
        assert (made.created, made.revised, made.retired) == (0, 0, 0)

    def test_in_whatever_order_pictures_come_the_occasions_are_the_same(self) -> None:
        first, second = years(Album()), Album()
        first.add(PARTY)
        first.add(NIGHT)
        first.look()
        for part in (NIGHT[6:], ordinary("2008-01-01", 285, every=3), PARTY[10:], ordinary("2008-11-15", 100, every=3)):
            second.add(part)
            second.look()
        for part in (PARTY[:10], NIGHT[:6], ordinary("2008-10-20", 12, every=3)):
            second.add(part)
            second.look()
        spans = [
            [(kind, m.found.since, m.found.until, len(m.found.members)) for m in each.memories(kind) if m.found]
            for each in (first, second)
            for kind in ("trip", "event")
        ]
        assert spans[:2] == spans[2:]
        assert [len(each) for each in spans[:2]] == [1, 1]

    def test_a_date_that_is_corrected_moves_the_picture(self, album: Album) -> None:
        night = album.add(NIGHT)
        album.look()
        taken = metadata(taken_at=None, position=None)
        album.tell(night[3], taken)
        album.look()
        (trip,) = album.memories("trip")
        assert trip.found is not None
        assert night[3] not in trip.found.members


class TestWhatIsNeverShown:
    def test_a_picture_in_the_trash_is_gone_at_once_and_from_the_memory_at_the_next_look(self, album: Album) -> None:
        night = album.add(NIGHT)
        album.look()
        album.tell(night[0], trashed())
        album.vault.projector.project(album.vault.everything())
        assert night[0] not in shown(album, "trip")
        album.look()
        (trip,) = album.memories("trip")
        assert trip.found is not None
        assert night[0] not in trip.found.members
        album.tell(night[0], restored())
        album.look()
        assert night[0] in album.memories("trip")[0].found.members  # type: ignore[union-attr]

    def test_a_memory_of_which_all_is_in_the_trash_is_retired(self, album: Album) -> None:
        night = album.add(NIGHT)
        album.look()
        for ident in night:
            album.tell(ident, trashed())
        made = album.look()
        assert made.retired >= 1
        assert not album.memories("trip")

    @pytest.mark.parametrize("verdict", ["blur", "hold"])
    def test_a_sensitive_picture_is_in_no_memory(self, album: Album, verdict: str) -> None:
        night = album.add(NIGHT)
        album.tell(night[2], moderated(verdict))  # type: ignore[arg-type]
        album.look()
        assert night[2] not in (album.memories("trip")[0].found or ()).members  # type: ignore[union-attr]

    def test_a_person_s_ruling_counts_at_once(self, album: Album) -> None:
        night = album.add(NIGHT)
        album.look()
        album.tell(night[0], ruled("hold"))
        album.vault.projector.project(album.vault.everything())
        assert night[0] not in shown(album, "trip")

    def test_a_hidden_person_is_in_no_memory_also_under_another_s_name(self, album: Album) -> None:
        known(album, "p1", "Anna")
        known(album, "p2", None)
        night = album.add(NIGHT)
        album.tell(night[0], *seen("p1"))
        album.tell(night[1], *seen("p2"))
        album.look()
        append(album.vault.store, person_stream(album.owner, "p2"), [PersonsMerged(into="p1")])
        append(album.vault.store, person_stream(album.owner, "p1"), [PersonHidden(hidden=True)])
        album.vault.projector.project(album.vault.everything())
        assert not {night[0], night[1]} & set(shown(album, "trip"))
        album.look()
        assert not {night[0], night[1]} & set((album.memories("trip")[0].found or ()).members)  # type: ignore[union-attr]

    def test_what_the_policy_does_not_serve_is_in_no_memory(self, album: Album) -> None:
        album.add(NIGHT)
        album.look()
        assert not reader(album, Serving(unscanned=False)).page()[0]

    def test_a_date_that_a_copy_made_is_no_memory(self, album: Album) -> None:
        album.add(NIGHT, source="file_modified")
        album.look()
        assert not album.memories("trip")


class TestWhatIsChosen:
    def test_the_cover_is_sharp_and_a_favourite_wins(self, album: Album) -> None:
        night = album.add(NIGHT, sharp=2.0)
        sharp = album.add(series("2008-11-08T12:00", 1, 1, LISBON), sharp=30.0)
        album.look()
        assert album.memories("trip")[0].found.cover == sharp[0]  # type: ignore[union-attr]
        album.tell(night[4], favourite())
        album.tell(sharp[0], trashed())
        album.look()
        assert album.memories("trip")[0].found.cover == night[4]  # type: ignore[union-attr]

    def test_of_pictures_that_look_alike_one_is_shown(self, album: Album) -> None:
        album.add(NIGHT[:6], fingerprint(phash="b39f0c38bb0b2cb2", pixels=None))
        other = album.add(NIGHT[6:], fingerprint(phash="4c60f3c744f4d34d", pixels=None))
        album.look()
        pictures = album.memories("trip")[0].found.pictures  # type: ignore[union-attr]
        assert len(pictures) == 2
        assert len(set(pictures) & set(other)) == 1


class TestLaws:
    def test_no_memory_crosses_owners(self) -> None:
        anna = years(Album())
        bert = years(Album(anna.vault, "bert"))
        mine, other = anna.add(NIGHT), bert.add(NIGHT)
        anna.look()
        bert.look()
        assert set(anna.memories("trip")[0].found.members) == set(mine)  # type: ignore[union-attr]
        assert set(bert.memories("trip")[0].found.members) == set(other)  # type: ignore[union-attr]
        assert {m.id for m in anna.memories()}.isdisjoint(m.id for m in bert.memories())
        with pytest.raises(Exception, match="there is no memory"):
            told.find_memory(bert.vault, "bert", anna.memories("trip")[0].id)

    def test_a_replay_gives_the_live_rows(self, album: Album) -> None:
        night = album.add(NIGHT)
        album.add(PARTY)
        album.look()
        album.tell(night[0], trashed())
        album.look()
        live = active_rows(album.vault)
        rebuild(album.vault, list(album.vault.generations.projections))  # type: ignore[arg-type]
        assert active_rows(album.vault) == live

    def test_a_look_that_is_made_twice_changes_nothing(self, album: Album) -> None:
        album.add(PARTY)
        album.look()
        events = len(album.vault.everything())
        album.look()
        assert len(album.vault.everything()) == events

    def test_a_look_that_died_half_way_is_made_good(self, album: Album) -> None:
        album.add(PARTY)
        album.add(NIGHT)

        class Died(Exception):
            pass

        put, left = album.vault.commits.put, [2]

        def dies(commit: object) -> object:
            left[0] -= "#memory#" in commit.stream  # type: ignore[attr-defined]
            if left[0] < 0:
                raise Died
            return put(commit)  # type: ignore[arg-type]

        album.vault.commits.put = dies  # type: ignore[method-assign,assignment]
        with pytest.raises(Died):
            album.look()
        album.vault.commits.put = put  # type: ignore[method-assign]
        album.look()
        created = [e for es in outcomes(album.vault, ("memory",)).values() for e in es if isinstance(e, MemoryCreated)]
        assert sorted(e.kind for e in created if e.kind in ("trip", "event")) == ["event", "trip"]

    def test_what_a_new_picture_costs_does_not_depend_on_the_library(self) -> None:
        read = []
        for length in (1, 4):
            album = Album()
            for year in range(2005, 2005 + length):
                album.add(ordinary(f"{year}-01-01", 350, every=2))
            album.look()
            rest(album)
            album.add(series("2005-06-10T18:00", 25, 10, (43.50, 11.90)))
            made = album.look()
            assert made.created == 1
            read.append(made.read)
        assert read[1] <= read[0] + 4 * 12  # this day reads a few rows of each year


def rest(album: Album) -> None:
    """Time goes by until a look sees nothing twice."""
    for _ in range(2):
        album.vault.clock.tick(7200)
        album.look(date(2026, 5, 20))


def known(album: Album, person: str, name: str | None) -> None:
    """Somebody whom the owner knows."""
    stream = person_stream(album.owner, person)
    append(album.vault.store, stream, [PersonDiscovered(asset="a1", face=0)])
    if name is not None:
        append(album.vault.store, stream, [PersonNamed(name=name)])


def seen(person: str) -> list[FacesDetected | FaceAssigned]:
    """A picture shows somebody."""
    found = FacesDetected(
        run=run("faces"), faces=(face(),), sealed=sha("sealed"), key="k", models=(ModelUse("m", "1"),)
    )
    return [found, FaceAssigned(face=0, person=person, by="person")]
