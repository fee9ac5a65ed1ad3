"""Messages: only to those who agreed, exactly one for one cause, never at night, and never twice for a crash."""

from __future__ import annotations

import email
import email.policy
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from domain.contact import Contact, contact_stream
from domain.errors import DeliveryUnknown, InvalidInput, NotDelivered, NotFound
from domain.events import ModerationRuled
from domain.notification import CLAIM, MAX_ATTEMPTS, MAX_CAUSES
from domain.notification_events import ImportFinished, QuotaReached
from photovault import contacts
from photovault.mail_feedback import take
from photovault.notices import STALE, look, notice, set_quota
from photovault.notifying import Sent, resend, send_due
from photovault.runtime import catch_up
from photovault.when import due, quiet_until
from projections.notifications import PARTITION, Notifications
from tests.support.factories import NOW, append, processed, quarantined, uploaded
from tests.support.fakes import MemoryNotifier, MemoryVault
from tests.support.sharing import friend, photo, same_however_delivered, shared

OWNER = "anna"


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault() as made:
        yield made


def send(vault: MemoryVault) -> Sent:
    """Tell of everything, and send what is due."""
    catch_up(vault)
    done = send_due(vault, vault.settings.serving)
    catch_up(vault)
    return done


def messages(vault: MemoryVault) -> list[dict[str, Any]]:
    """All messages, as they are listed."""
    projection, table = vault.generations.active(Notifications.name)
    rows = vault.views.query(table, PARTITION, index="owner", limit=1000).rows
    return [projection.show(projection.decode(row.data), str) for row in rows]


def statuses(vault: MemoryVault, kind: str = "share") -> list[str]:
    return [item["status"] for item in messages(vault) if item["kind"] == kind]


def mails(vault: MemoryVault, kind: str = "Pictures") -> list[EmailMessage]:
    """Mails that were taken, without the questions."""
    found = [email.message_from_bytes(each.body, policy=email.policy.default) for each in vault.mail.taken]
    return [mail for mail in found if "Do you want" not in mail["Subject"]]  # type: ignore[misc]


def ready(vault: MemoryVault, **preferences: Any) -> Contact:
    """A friend who agreed, with nothing else under way."""
    contact = friend(vault)
    if preferences:
        contact = contacts.prefer(vault, OWNER, contact.id, {}, **preferences)
    send(vault)
    vault.mail.taken.clear()
    return contact


class TestOptIn:
    def test_one_question_goes_out_and_nothing_else_until_they_agree(self, vault: MemoryVault) -> None:
        contact = friend(vault, agreed=False)
        photo(vault, "a1")
        shared(vault, to=[contact.id])
        send(vault)
        (question,) = vault.mail.taken
        assert b"Do you want" in question.body
        assert statuses(vault) == ["withheld"]
        send(vault)
        assert len(vault.mail.taken) == 1

    def test_the_question_carries_a_code_that_the_history_does_not(self, vault: MemoryVault) -> None:
        contact = friend(vault, agreed=False)
        send(vault)
        code = contacts.code(vault, OWNER, contact, "confirm")
        assert f"/n/confirm/anna/{contact.id}/{code}".encode() in vault.mail.taken[0].body.replace(b"=\r\n", b"")
        assert not any(code.encode() in commit.body for commit in vault.everything())

    def test_a_code_that_is_wrong_or_old_confirms_nobody(self, vault: MemoryVault) -> None:
        contact = friend(vault, agreed=False)
        code = contacts.code(vault, OWNER, contact, "confirm")
        for wrong in ("", code[:-1], contacts.code(vault, OWNER, contact, "unsubscribe"), "é" * 22):
            with pytest.raises(NotFound):
                contacts.confirm(vault, OWNER, contact.id, wrong)
        vault.clock.tick(15 * 86400)
        with pytest.raises(NotFound, match="too old"):
            contacts.confirm(vault, OWNER, contact.id, code)

    def test_what_happened_before_they_agreed_is_no_news(self, vault: MemoryVault) -> None:
        vault.clock.tick(1)
        append(vault.store, "anna#imports#library", ImportFinished(new=1, total=1))
        contact = friend(vault, agreed=False)
        contacts.confirm(vault, OWNER, contact.id, contacts.code(vault, OWNER, contact, "confirm"))
        send(vault)
        assert statuses(vault, "import") == []

    def test_who_unsubscribed_hears_nothing_and_can_come_back_only_by_themselves(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        code = contacts.code(vault, OWNER, contact, "unsubscribe")
        contacts.unsubscribe(vault, OWNER, contact.id, code)
        photo(vault, "a1")
        shared(vault, to=[contact.id])
        send(vault)
        assert vault.mail.taken == []
        assert statuses(vault) == ["withheld"]
        with pytest.raises(InvalidInput, match="30 days"):
            contacts.add(vault, OWNER, "email", contact.address)
        vault.clock.tick(30 * 86400)
        assert contacts.add(vault, OWNER, "email", contact.address).confirmed_at is None
        send(vault)
        assert [b"Do you want" in each.body for each in vault.mail.taken] == [True]

    def test_nobody_is_asked_twice_in_a_day(self, vault: MemoryVault) -> None:
        for _ in range(3):
            friend(vault, agreed=False)
            send(vault)
        assert len(vault.mail.taken) == 1

    @pytest.mark.parametrize(
        ("channel", "address"),
        [
            ("email", "a@b\nBcc: x@y"),
            ("email", "a b@c.de"),
            ("email", "@c.de"),
            ("email", "<a@b.de>"),
            ("sms", "123"),
            ("sms", "+0123456789"),
            ("sms", "+351 91x"),
        ],
    )
    def test_an_address_that_cant_be_one_is_refused(self, vault: MemoryVault, channel: Any, address: str) -> None:
        with pytest.raises(InvalidInput):
            contacts.add(vault, OWNER, channel, address)


class TestOneMessageForOneCause:
    def test_whatever_is_delivered_twice(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        shared(vault, to=[contact.id])
        for _ in range(3):
            notice(vault, vault.everything())
            notice(vault, reversed(vault.everything()))
            send(vault)
        assert len(mails(vault)) == 1
        assert statuses(vault) == ["sent"]

    def test_two_senders_and_two_reactors_at_once(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        for _ in range(3):
            shared(vault, to=[contact.id])
        commits = vault.everything()
        barrier = threading.Barrier(6)

        def run(send_it: bool) -> None:
            barrier.wait()
            notice(vault, commits)
            if send_it:
                send_due(vault, vault.settings.serving)

        threads = [threading.Thread(target=run, args=(n % 2 == 0,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        send(vault)
        assert len({each.message_id for each in vault.mail.taken}) == len(vault.mail.taken) == 3

    def test_a_replay_sends_nothing_and_gives_the_live_rows(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        shared(vault, to=[contact.id])
        send(vault)
        taken = len(vault.mail.taken)
        same_however_delivered(vault, "contacts", "notifications", "shares", "links")
        assert len(vault.mail.taken) == taken

    def test_a_history_that_is_read_in_again_tells_nobody(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        made = shared(vault, to=[contact.id])
        commits = [c for c in vault.everything() if "#notification#" not in c.stream]
        with MemoryVault() as other:
            for commit in commits:
                other.commits.put(commit)
            other.clock.tick(STALE.total_seconds() + 60)
            send(other)
            assert other.mail.taken == []
        assert made.share


class TestACrash:
    def broken(self, vault: MemoryVault) -> None:
        """One message whose sender died after it was handed over, or before: nobody knows."""
        contact = ready(vault)
        photo(vault, "a1")
        shared(vault, to=[contact.id])
        vault.mail.fails = [KeyboardInterrupt()]
        with pytest.raises(KeyboardInterrupt):
            send(vault)
        catch_up(vault)
        assert statuses(vault) == ["claimed"]

    def test_a_claim_keeps_others_away_for_a_while(self, vault: MemoryVault) -> None:
        self.broken(vault)
        assert send(vault).due == 0

    def test_where_nobody_can_know_it_is_not_sent_again_by_itself(self, vault: MemoryVault) -> None:
        self.broken(vault)
        vault.clock.tick(CLAIM.total_seconds())
        assert send(vault).uncertain == 1
        assert vault.mail.taken == []
        (item,) = [item for item in messages(vault) if item["kind"] == "share"]
        assert item["status"] == "uncertain"
        resend(vault, OWNER, item["notification"])
        assert send(vault).sent == 1

    def test_where_it_surely_was_not_sent_it_is_sent_with_the_same_id(self, vault: MemoryVault) -> None:
        vault.mail.known = False
        self.broken(vault)
        vault.clock.tick(CLAIM.total_seconds())
        assert send(vault).sent == 1
        assert len(vault.mail.taken) == 1

    def test_where_it_surely_was_sent_that_is_recorded(self, vault: MemoryVault) -> None:
        vault.mail.known = True
        self.broken(vault)
        vault.clock.tick(CLAIM.total_seconds())
        assert send(vault).sent == 1
        assert vault.mail.taken == []
        assert statuses(vault) == ["sent"]


class TestFailures:
    def test_what_was_surely_not_sent_is_tried_again_later_and_given_up_in_the_end(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        shared(vault, to=[contact.id])
        vault.mail.fails = [NotDelivered("full", retryable=True)] * MAX_ATTEMPTS
        outcomes = []
        for _ in range(MAX_ATTEMPTS):
            done = send(vault)
            outcomes.append((done.failed, done.given_up))
            assert send(vault).due == 0
            vault.clock.tick(2 * 3600)
        assert outcomes == [(1, 0)] * (MAX_ATTEMPTS - 1) + [(0, 1)]
        assert statuses(vault) == ["given_up"]

    def test_a_lost_answer_is_uncertain_and_not_tried_again(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        shared(vault, to=[contact.id])
        vault.mail.fails = [DeliveryUnknown("the line broke")]
        assert send(vault).uncertain == 1
        vault.clock.tick(86400)
        assert send(vault).due == 0

    def test_an_address_that_bounces_is_never_written_to_again(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        for _ in range(2):
            shared(vault, to=[contact.id])
        vault.mail.fails = [NotDelivered("550 no such user", retryable=False, refused="bounce")]
        done = send(vault)
        assert (done.given_up, done.withheld) == (1, 1)
        with pytest.raises(InvalidInput, match="bounce"):
            contacts.add(vault, OWNER, "email", contact.address)


class TestFeedback:
    BOUNCE = (
        '{"eventType": "Bounce", "bounce": {"bounceType": "%s", "bouncedRecipients": '
        '[{"emailAddress": "boris@Example.org", "diagnosticCode": "550 5.1.1"}]}}'
    )

    def test_a_bounce_stops_sending_for_every_owner_who_has_the_address(self, vault: MemoryVault) -> None:
        mine, theirs = friend(vault), friend(vault, owner="clara")
        other = friend(vault, "dora@example.org")
        assert take(vault, self.BOUNCE % "Permanent") == 2
        assert contacts.load(vault, OWNER, mine.id).suppressed == "bounce"
        assert contacts.load(vault, "clara", theirs.id).suppressed == "bounce"
        assert contacts.load(vault, OWNER, other.id).suppressed is None
        before = len(vault.store.load(contact_stream(OWNER, mine.id)).events)
        take(vault, self.BOUNCE % "Permanent")
        assert len(vault.store.load(contact_stream(OWNER, mine.id)).events) == before

    def test_a_complaint_stops_sending_too(self, vault: MemoryVault) -> None:
        contact = friend(vault)
        said = '{"notificationType": "Complaint", "complaint": {"complainedRecipients": [{"emailAddress": "%s"}]}}'
        assert take(vault, said % contact.address) == 1
        assert contacts.load(vault, OWNER, contact.id).suppressed == "complaint"

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "null", '{"eventType": "Bounce"}', '{"eventType": "Bounce", "bounce": 1}', BOUNCE % "Transient"],
    )
    def test_anything_else_changes_nothing(self, vault: MemoryVault, text: str) -> None:
        contact = friend(vault)
        assert take(vault, text) == 0
        assert contacts.load(vault, OWNER, contact.id).suppressed is None


class TestWhen:
    LISBON = Contact(id="c", zone="Europe/Lisbon", quiet_from="22:00", quiet_until="07:30")

    @pytest.mark.parametrize(
        ("at", "until"),
        [
            ((2026, 1, 10, 21, 59), None),
            ((2026, 1, 10, 22, 0), (2026, 1, 11, 7, 30)),
            ((2026, 1, 11, 7, 29), (2026, 1, 11, 7, 30)),
            ((2026, 1, 11, 7, 30), None),
            ((2026, 7, 10, 21, 30), (2026, 7, 11, 6, 30)),  # 22:30 by their clock, in summer
            ((2026, 3, 28, 23, 0), (2026, 3, 29, 6, 30)),  # the clocks go forward in that night
            ((2026, 10, 24, 22, 0), (2026, 10, 25, 7, 30)),  # and back in this one
        ],
    )
    def test_quiet_hours_are_those_of_their_clock(self, at: Any, until: Any) -> None:
        found = quiet_until(self.LISBON, datetime(*at, tzinfo=UTC))
        assert found == (datetime(*until, tzinfo=UTC) if until else None)

    def test_a_message_waits_for_the_morning_and_then_goes_once(self, vault: MemoryVault) -> None:
        contact = ready(vault, quiet=("13:00", "15:00"))  # 12:00 UTC is 13:00 there
        photo(vault, "a1")
        shared(vault, to=[contact.id])
        assert send(vault).due == 0
        vault.clock.tick(2 * 3600)
        assert send(vault).sent == 1

    def test_quiet_hours_that_were_set_meanwhile_postpone(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        shared(vault, to=[contact.id])
        contacts.prefer(vault, OWNER, contact.id, {}, quiet=("13:00", "15:00"))
        assert send(vault).postponed == 1
        vault.clock.tick(2 * 3600)
        assert send(vault).sent == 1

    def test_a_digest_has_its_own_time_and_name(self) -> None:
        early = Contact(id="c", zone="Europe/Lisbon")
        assert due(early, "failure", datetime(2026, 1, 10, 7, 0, tzinfo=UTC)) == (
            datetime(2026, 1, 10, 8, 0, tzinfo=UTC),
            "daily:2026-01-10",
        )
        weekly = Contact(id="c", zone="Asia/Tokyo", paces={"failure": "weekly"})
        at, name = due(weekly, "failure", datetime(2026, 1, 10, 7, 0, tzinfo=UTC))
        assert (at, name) == (datetime(2026, 1, 11, 23, 0, tzinfo=UTC), "weekly:2026-01-12")
        assert at.astimezone(UTC) - datetime(2026, 1, 10, 7, 0, tzinfo=UTC) < timedelta(days=7)


class TestDigests:
    def fail(self, vault: MemoryVault, *assets: str) -> None:
        for asset in assets:
            append(
                vault.store, f"anna#asset#{asset}", uploaded(f"{asset}.jpg"), quarantined(), processed("quarantined")
            )

    def test_failures_of_a_day_are_one_message(self, vault: MemoryVault) -> None:
        ready(vault)
        self.fail(vault, "b1", "b2", "b3")
        assert send(vault).due == 0
        vault.clock.tick(86400)
        assert send(vault).sent == 1
        (mail,) = mails(vault)
        assert mail["Subject"].startswith("3 news")
        self.fail(vault, "b4")
        notice(vault, vault.everything())
        vault.clock.tick(86400)
        assert send(vault).sent == 1
        assert [item["causes"] for item in messages(vault) if item["kind"] == "failure"] == [3, 1]

    def test_preferences_that_change_between_two_deliveries_make_no_second_message(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        self.fail(vault, "b1")
        append(vault.store, "anna#quota#library", QuotaReached(percent=80, used_bytes=80, quota_bytes=100))
        for paces in ({"failure": "at_once"}, {"quota": "daily"}, {"failure": "weekly", "quota": "weekly"}):
            notice(vault, vault.everything())
            contacts.prefer(vault, OWNER, contact.id, paces)  # type: ignore[arg-type]
            catch_up(vault)
        notice(vault, vault.everything())
        for _ in range(10):
            send(vault)
            vault.clock.tick(86400)
        assert sorted(mail["Subject"] for mail in mails(vault)) == ["A file was refused", "The library is 80 % full"]

    def test_a_cause_that_comes_after_the_digest_went_begins_the_next_part(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        self.fail(vault, "b1")
        catch_up(vault)
        vault.clock.tick(86400)
        send(vault)
        vault.clock.now -= timedelta(days=1)  # a reactor that was late: the same period
        self.fail(vault, "b2")
        catch_up(vault)
        vault.clock.tick(86400)
        assert send(vault).sent == 1
        assert sorted(statuses(vault, "failure")) == ["sent", "sent"]
        assert contact.id

    def test_a_message_is_bounded_and_the_rest_goes_into_the_next(self, vault: MemoryVault) -> None:
        ready(vault)
        self.fail(vault, *(f"b{n}" for n in range(MAX_CAUSES + 3)))
        catch_up(vault)
        assert sorted(item["causes"] for item in messages(vault) if item["kind"] == "failure") == [3, MAX_CAUSES]
        notice(vault, vault.everything())
        catch_up(vault)
        assert sorted(item["causes"] for item in messages(vault) if item["kind"] == "failure") == [3, MAX_CAUSES]

    def test_what_is_switched_off_is_not_collected(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        contacts.prefer(vault, OWNER, contact.id, {"failure": "off"})
        catch_up(vault)
        self.fail(vault, "b1")
        catch_up(vault)
        assert statuses(vault, "failure") == []


class TestLooking:
    def test_an_import_is_told_once_when_everything_came_to_its_end(self, vault: MemoryVault) -> None:
        ready(vault)
        photo(vault, "a1")
        append(vault.store, "anna#asset#a2", uploaded("a2.jpg"))
        catch_up(vault)
        assert look(vault, timedelta(0)) == 0  # one is being processed
        append(vault.store, "anna#asset#a2", quarantined(), processed("quarantined"))
        catch_up(vault)
        assert look(vault, timedelta(0)) == 1
        assert look(vault, timedelta(0)) == 0
        (event,) = [each.event for each in vault.store.load("anna#imports#library").events]
        assert event == ImportFinished(new=2, total=2, failed=1)
        photo(vault, "a3")
        assert look(vault, timedelta(0)) == 1

    def test_files_that_come_one_by_one_are_one_import(self, vault: MemoryVault) -> None:
        ready(vault)
        found = []
        for asset in ("a1", "a2", "a3"):
            photo(vault, asset)
            found.append(look(vault))
            vault.clock.tick(60)
        vault.clock.tick(300)
        assert [*found, look(vault), look(vault)] == [0, 0, 0, 1, 0]

    def test_a_quota_is_told_at_80_and_at_100_percent_and_anew_when_it_is_set_anew(self, vault: MemoryVault) -> None:
        ready(vault)
        photo(vault, "a1")  # 1,000 bytes and a small picture
        look(vault, timedelta(0))
        set_quota(vault, OWNER, 1250)
        assert [look(vault), look(vault)] == [1, 0]
        photo(vault, "a2")
        assert look(vault, timedelta(0)) == 2  # the import too
        set_quota(vault, OWNER, 2000)
        assert [look(vault), look(vault)] == [1, 0]
        told = [e.event for e in vault.store.load("anna#quota#library").events if isinstance(e.event, QuotaReached)]
        assert [event.percent for event in told] == [80, 100, 100]
        send(vault)
        assert len(mails(vault)) == 3

    def test_nobody_is_looked_at_for_whom_nobody_cares(self, vault: MemoryVault) -> None:
        photo(vault, "a1")
        assert look(vault, timedelta(0)) == 0


class TestTheMail:
    def test_it_is_text_and_html_with_the_pictures_inside(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        made = shared(vault, title='Sun & <b>sea</b>"', to=[contact.id])
        send(vault)
        (mail,) = mails(vault)
        assert mail["To"] == "Boris <boris@example.org>"
        text, page = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert page is not None
        assert f"https://photos.example/s/{made.token}" in text.get_content()
        assert "Sun &amp; &lt;b&gt;sea&lt;/b&gt;" in page.get_content()
        assert "http" not in page.get_content().replace("https://photos.example/", "")
        (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/jpeg"]
        assert picture.get_content() == b"the small picture of a1"
        assert f'src="cid:{picture["Content-ID"][1:-1]}"' in page.get_content()
        assert "SECRET" not in mail.as_string()

    def test_a_mail_programs_button_can_unsubscribe(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        shared(vault, to=[contact.id])
        send(vault)
        (mail,) = mails(vault)
        code = contacts.code(vault, OWNER, contact, "unsubscribe")
        assert mail["List-Unsubscribe"] == f"<https://photos.example/n/unsubscribe/anna/{contact.id}/{code}>"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_pictures_behind_a_password_or_held_back_are_not_in_it(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        photo(vault, "a2")
        shared(vault, "a1", password="correct horse", to=[contact.id])
        shared(vault, "a2", to=[contact.id])
        append(vault.store, "anna#asset#a2", ModerationRuled(verdict="hold", reason="no"))
        send(vault)
        assert len(mails(vault)) == 2
        assert not any(part.get_content_type() == "image/jpeg" for mail in mails(vault) for part in mail.walk())

    def test_a_title_can_add_no_header(self, vault: MemoryVault) -> None:
        contact = ready(vault)
        photo(vault, "a1")
        with pytest.raises(InvalidInput):
            shared(vault, title="x\r\nBcc: eve@example.org\x00", to=[contact.id])
        shared(vault, title="x Bcc: eve@example.org", to=[contact.id])
        send(vault)
        (mail,) = mails(vault)
        assert mail["Bcc"] is None

    def test_a_revoked_link_is_not_in_it(self, vault: MemoryVault) -> None:
        from photovault.sharing import revoke

        contact = ready(vault)
        photo(vault, "a1")
        made = shared(vault, to=[contact.id])
        revoke(vault, OWNER, made.share)
        send(vault)
        assert made.token.encode() not in vault.mail.taken[-1].body

    def test_a_text_message_is_short_and_holds_the_link(self, vault: MemoryVault) -> None:
        contact = friend(vault, "+351912345678")
        send(vault)
        photo(vault, "a1")
        made = shared(vault, title="x" * 200, to=[contact.id])
        send(vault)
        text = vault.phone.taken[-1].body.decode()
        assert len(text) <= 320
        assert text.endswith(f"https://photos.example/s/{made.token}")

    def test_without_a_way_out_it_waits(self, vault: MemoryVault) -> None:
        friend(vault, "+351912345678", agreed=False)
        del vault.notifiers["sms"]
        assert send(vault).postponed == 1
        vault.notifiers["sms"] = MemoryNotifier()
        vault.clock.tick(86400)
        assert send(vault).sent == 1


def test_the_clock_of_these_tests_is_noon_in_utc() -> None:
    assert (NOW.hour, NOW.tzinfo) == (12, UTC)
