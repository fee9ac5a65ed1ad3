"""Shares: what a link opens, for whom, how often, until when; and that nothing more than pictures leaves by it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain import share as shares
from domain.commits import NEW, Cause
from domain.errors import InvalidInput, NotFound, ShareClosed
from domain.events import (
    AssetUploaded,
    Event,
    FaceAssigned,
    FacesDetected,
    FileQuarantined,
    ModerationRuled,
    PersonDiscovered,
    PersonHidden,
    PersonsMerged,
)
from domain.memory_events import MemoryCreated, MemoryRetired
from domain.share import LOCK, MAX_WRONG, Share, evolve, open_share, share_stream
from domain.share_events import ShareCreated, ShareDenied, ShareOpened, ShareUnlocked
from photovault.runtime import catch_up
from photovault.sharing import Made, create, download, list_shares, picture, revoke, saved_token, visit
from tests.support.factories import NOW, append, restored, run, sha, trashed
from tests.support.fakes import MemoryVault
from tests.support.people import face
from tests.support.sharing import photo, same_however_delivered, shared

PASSWORD = "correct horse"


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault() as made:
        yield made


def opened(vault: MemoryVault, made: Made, **options: object) -> list[str]:
    """Assets that a visitor sees."""
    seen = visit(vault, made.token, vault.settings.serving, **options)  # type: ignore[arg-type]
    catch_up(vault)
    return [item.asset for item in seen.items]


def refused(vault: MemoryVault, made: Made, **options: object) -> str:
    """Why a visitor sees nothing."""
    with pytest.raises(ShareClosed) as closed:
        visit(vault, made.token, vault.settings.serving, **options)  # type: ignore[arg-type]
    catch_up(vault)
    return closed.value.reason


def events_of(vault: MemoryVault, made: Made) -> list[Event]:
    return [each.event for each in vault.store.load(share_stream("anna", made.share)).events]


def a_share(**created: object) -> Share:
    event = ShareCreated(kind="asset", token_sha256=sha("t"), assets=("a1",), **created)  # type: ignore[arg-type]
    return evolve(Share("s"), event, NOW, 1)


class TestTheLink:
    def test_a_token_opens_what_was_shared_in_its_order(self, vault: MemoryVault) -> None:
        for asset in ("a1", "a2", "a3"):
            photo(vault, asset)
        assert opened(vault, shared(vault, "a3", "a1")) == ["a3", "a1"]

    def test_the_history_holds_no_token_and_no_password(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, password=PASSWORD)
        opened(vault, made, password=PASSWORD)
        bodies = b"".join(commit.body for commit in vault.commits.tail(None, 10_000).commits)
        assert made.token.encode() not in bodies
        assert PASSWORD.encode() not in bodies
        assert b"$argon2id$" in bodies
        assert saved_token(vault.checkpoints, made.share) == made.token

    def test_tokens_are_256_bits_and_no_two_are_alike(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        tokens = {shared(vault).token for _ in range(20)}
        assert len(tokens) == 20
        assert {len(token) for token in tokens} == {43}

    @pytest.mark.parametrize("wrong", ["", "x" * 43, "é" * 43, "a" * 2000])
    def test_another_token_opens_nothing(self, vault: MemoryVault, wrong: str) -> None:
        photo(vault, "a1")
        shared(vault)
        with pytest.raises(NotFound, match="opens nothing"):
            visit(vault, wrong, vault.settings.serving)

    def test_a_row_of_another_share_is_no_way_in(self, vault: MemoryVault) -> None:
        """All 256 bits are compared, not the half of them that is in the id."""
        photo(vault, "a1")
        made = shared(vault)
        forged = ShareCreated(kind="asset", token_sha256=sha("something else"), assets=("a1",))
        other = shares.share_id(shares.token_sha256("y" * 43))
        vault.store.append(
            share_stream("anna", other), [forged], NEW, Cause(commit_id="c", actor="t", correlation_id="t")
        )
        catch_up(vault)
        with pytest.raises(NotFound):
            visit(vault, "y" * 43, vault.settings.serving)
        assert opened(vault, made) == ["a1"]

    def test_another_owners_pictures_cant_be_shared(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        with pytest.raises(NotFound, match="a1"):
            create(vault, "boris", "asset", vault.settings.serving, assets=["a1"])
        with pytest.raises(NotFound):
            revoke(vault, "boris", shared(vault).share)
        assert list_shares(vault, "boris")["items"] == []

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"lasts": timedelta(0)}, "expired already"),
            ({"max_views": 0}, "once at least"),
            ({"password": "short"}, "6 to"),
            ({"title": "x\n\x1b[31m"}, "printable"),
            ({"assets": ()}, "at least one"),
            ({"assets": tuple(f"a{n}" for n in range(1001))}, "too many"),
        ],
    )
    def test_what_cant_be_meant_is_refused(self, vault: MemoryVault, options: dict[str, object], match: str) -> None:
        photo(vault, "a1")
        with pytest.raises(InvalidInput, match=match):
            create(vault, "anna", "asset", vault.settings.serving, **{"assets": ("a1",)} | options)  # type: ignore[arg-type]


class TestHowLong:
    def test_it_opens_until_it_expires(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, lasts=timedelta(hours=1))
        assert opened(vault, made) == ["a1"]
        vault.clock.tick(3600)
        assert refused(vault, made) == "expired"

    def test_a_revoked_link_is_closed_at_once_for_those_inside_too(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, download=True)
        seen = visit(vault, made.token, vault.settings.serving)
        assert revoke(vault, "anna", made.share)
        assert refused(vault, made, session=seen.session) == "revoked"
        with pytest.raises(ShareClosed):
            download(vault, seen, 1)
        assert not revoke(vault, "anna", made.share)
        assert saved_token(vault.checkpoints, made.share) is None

    def test_a_limit_counts_openings_and_a_session_is_one(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, max_views=2)
        first = visit(vault, made.token, vault.settings.serving, asked=True)
        assert opened(vault, made, session=first.session) == ["a1"]
        assert opened(vault, made, asked=True) == ["a1"]
        assert refused(vault, made, asked=True) == "used_up"
        assert opened(vault, made, session=first.session) == ["a1"]
        vault.clock.tick(shares.SESSION.total_seconds())
        assert refused(vault, made, session=first.session) == "used_up"

    def test_a_program_that_looks_behind_the_link_uses_up_nothing(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, max_views=1)
        assert [refused(vault, made) for _ in range(3)] == ["button_needed"] * 3
        assert opened(vault, made, asked=True) == ["a1"]

    def test_of_many_who_open_the_last_time_one_does(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, max_views=1)
        won: list[str] = []
        barrier = threading.Barrier(8)

        def come() -> None:
            barrier.wait()
            try:
                won.append(visit(vault, made.token, vault.settings.serving, asked=True).session)
            except ShareClosed as closed:
                won.append(closed.reason)

        threads = [threading.Thread(target=come) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won)[-7:] == ["used_up"] * 7
        assert sum(isinstance(event, ShareOpened) for event in events_of(vault, made)) == 1

    def test_a_session_of_another_share_or_an_altered_one_is_none(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        one, other = shared(vault, max_views=1), shared(vault, max_views=1)
        session = visit(vault, one.token, vault.settings.serving, asked=True).session
        moment, _, code = session.partition(".")
        for forged in (session, f"{int(moment) + 9999}.{code}", f"{moment}.", "x.y", f"{moment}.é"):
            assert refused(vault, other, session=forged) == "button_needed"
        assert refused(vault, one, session=f"{int(moment) + 1}.{code}") == "used_up"


class TestThePassword:
    def test_only_the_right_one_opens(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, password=PASSWORD)
        assert refused(vault, made) == "password_needed"
        assert refused(vault, made, password="wrong one") == "password"
        assert opened(vault, made, password=PASSWORD) == ["a1"]
        assert [type(e) for e in events_of(vault, made)[1:]] == [ShareDenied, ShareUnlocked, ShareOpened]

    def test_five_wrong_ones_lock_it_for_the_right_one_too(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, password=PASSWORD)
        for _ in range(MAX_WRONG):
            assert refused(vault, made, password="wrong one") == "password"
        assert refused(vault, made, password=PASSWORD) == "locked"
        vault.clock.tick(LOCK.total_seconds())
        assert opened(vault, made, password=PASSWORD) == ["a1"]

    def test_each_lock_is_twice_as_long_up_to_a_day(self) -> None:
        share, now, waits = a_share(password="$argon2id$x"), NOW, []
        for number in range(12 * MAX_WRONG):
            answer = open_share(share, now, right=False)
            (event,) = answer.events
            assert isinstance(event, ShareDenied)
            share = evolve(share, event, now, number + 2)
            if event.locked_until is not None:
                waits.append(event.locked_until - now)
                now = event.locked_until
        assert waits[:3] == [LOCK, 2 * LOCK, 4 * LOCK]
        assert waits[-1] == timedelta(days=1)

    def test_what_trying_again_cant_change_is_recorded_once_a_minute(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, lasts=timedelta(hours=1))
        vault.clock.tick(3600)
        for _ in range(50):
            assert refused(vault, made) == "expired"
        assert sum(isinstance(event, ShareDenied) for event in events_of(vault, made)) == 1
        vault.clock.tick(60)
        refused(vault, made)
        assert sum(isinstance(event, ShareDenied) for event in events_of(vault, made)) == 2


class TestWhatLeaves:
    def test_every_opening_and_every_file_is_an_event_without_an_address(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, download=True)
        seen = visit(vault, made.token, vault.settings.serving, address="203.0.113.9")
        download(vault, seen, 1, address="203.0.113.9")
        catch_up(vault)
        names = [type(event).__name__ for event in events_of(vault, made)]
        assert names == ["ShareCreated", "ShareOpened", "ShareItemDownloaded"]
        visitors = {event.visitor for event in events_of(vault, made)[1:]}  # type: ignore[attr-defined]
        assert len(visitors) == 1
        assert visitors != {""}
        assert not any(b"203.0.113" in commit.body for commit in vault.commits.tail(None, 10_000).commits)
        (item,) = list_shares(vault, "anna")["items"]
        assert (item["views"], item["downloads"]) == (1, 1)

    def test_a_visitor_is_another_one_in_another_share(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = [shared(vault), shared(vault)]
        for each in made:
            visit(vault, each.token, vault.settings.serving, address="203.0.113.9")
        one, other = (events_of(vault, each)[1] for each in made)
        assert one.visitor != other.visitor  # type: ignore[attr-defined]

    def test_a_file_leaves_without_metadata_and_under_a_name_that_says_nothing(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, download=True)
        seen = visit(vault, made.token, vault.settings.serving)
        file, name = download(vault, seen, 1)
        assert name == "photo-001.jpg"
        assert vault.blobs.get(file.blob) == b"a1 without metadata"
        uploaded = vault.store.load("anna#asset#a1").events[0].event
        assert isinstance(uploaded, AssetUploaded)
        assert file.blob != uploaded.blob

    def test_without_leave_to_download_only_renditions_are_to_be_had(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault)
        seen = visit(vault, made.token, vault.settings.serving)
        assert vault.blobs.get(picture(seen, 1, "small").blob) == b"the small picture of a1"
        with pytest.raises(ShareClosed, match="can't be downloaded"):
            download(vault, seen, 1)
        assert ("strip", "a1") not in vault.media.calls
        for number, size in ((2, "small"), (0, "small"), (1, "original"), (1, "../x")):
            with pytest.raises(NotFound):
                picture(seen, number, size)

    def test_what_is_held_back_or_refused_is_not_shown(self, vault: MemoryVault) -> None:
        for asset in ("a1", "a2", "a3"):
            photo(vault, asset)
        made = shared(vault, "a1", "a2", "a3")
        gone = FileQuarantined(run=run("validate"), code="malware", reason="a virus", sha256=sha("x"), size_bytes=1)
        append(vault.store, "anna#asset#a1", ModerationRuled(verdict="hold", reason="no"))
        append(vault.store, "anna#asset#a2", gone)
        catch_up(vault)
        assert opened(vault, made) == ["a3"]
        with pytest.raises(NotFound, match="a1"):
            shared(vault, "a1")


class TestAPerson:
    def persons(self, vault: MemoryVault) -> None:
        """p1 on a1, p2 on a2."""
        for asset, who in (("a1", "p1"), ("a2", "p2")):
            found = FacesDetected(run=run("faces"), faces=(face(),))
            photo(vault, asset, found, FaceAssigned(face=0, person=who, by="founded"))
            append(vault.store, f"anna#person#{who}", PersonDiscovered(asset=asset, face=0))
        catch_up(vault)

    def share(self, vault: MemoryVault, who: str) -> Made:
        made = create(vault, "anna", "person", vault.settings.serving, subject=who)
        catch_up(vault)
        return made

    def test_follows_merges_and_vanishes_when_hidden(self, vault: MemoryVault) -> None:
        self.persons(vault)
        made = self.share(vault, "p2")
        assert opened(vault, made) == ["a2"]
        append(vault.store, "anna#person#p1", PersonsMerged(into="p2"))
        catch_up(vault)
        assert sorted(opened(vault, made)) == ["a1", "a2"]
        append(vault.store, "anna#person#p2", PersonHidden(hidden=True))
        catch_up(vault)
        assert opened(vault, made) == []


class TestAMemory:
    def remember(self, vault: MemoryVault) -> Made:
        for asset in ("a1", "a2"):
            photo(vault, asset)
        event = MemoryCreated(
            kind="trip",
            title="A day in Rome",
            since="2024-07-01T10:00:00",
            until="2024-07-01T18:00:00",
            members=("a1", "a2"),
            pictures=("a2", "a1"),
            cover="a2",
        )
        append(vault.store, "anna#memory#m1", event)
        catch_up(vault)
        made = create(vault, "anna", "memory", vault.settings.serving, subject="m1", title="Rome")
        catch_up(vault)
        return made

    def test_shows_what_the_memory_shows_and_nothing_once_it_is_retired(self, vault: MemoryVault) -> None:
        made = self.remember(vault)
        assert opened(vault, made) == ["a2", "a1"]
        append(vault.store, "anna#memory#m1", MemoryRetired(reason="it fell apart"))
        catch_up(vault)
        assert opened(vault, made) == []

    def test_of_others_or_of_nothing_there_is_none(self, vault: MemoryVault) -> None:
        self.remember(vault)
        for owner, memory in (("boris", "m1"), ("anna", "m2")):
            with pytest.raises(NotFound, match="no memory"):
                create(vault, owner, "memory", vault.settings.serving, subject=memory)


class TestTheTrash:
    def test_what_is_in_the_trash_is_not_shown_and_comes_back_with_it(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        photo(vault, "a2")
        made = shared(vault, "a1", "a2", download=True)
        seen = visit(vault, made.token, vault.settings.serving)
        append(vault.store, "anna#asset#a1", trashed())
        catch_up(vault)
        assert opened(vault, made, session=seen.session) == ["a2"]
        left = visit(vault, made.token, vault.settings.serving, session=seen.session)
        assert [item.number for item in left.items] == [2]
        append(vault.store, "anna#asset#a1", restored())
        catch_up(vault)
        assert opened(vault, made, session=seen.session) == ["a1", "a2"]


class TestTheViews:
    def test_a_replay_gives_the_live_rows(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        made = shared(vault, password=PASSWORD, max_views=3, lasts=timedelta(days=1))
        refused(vault, made, password="wrong one")
        opened(vault, made, password=PASSWORD)
        revoke(vault, "anna", made.share)
        catch_up(vault)
        same_however_delivered(vault, "shares", "links")

    def test_a_long_stream_is_not_read_again(self, vault: MemoryVault, monkeypatch: pytest.MonkeyPatch) -> None:
        photo(vault, "a1")
        made = shared(vault)
        for _ in range(30):
            opened(vault, made)
        read: list[int] = []
        before = vault.store.events_of
        monkeypatch.setattr(vault.store, "events_of", lambda commit: read.append(commit.number) or before(commit))
        visit(vault, made.token, vault.settings.serving)
        assert read == []
