"""Commits: ids that derive, tokens that can't be made up, a chain over every field, a root as RFC 6962 has it."""

from __future__ import annotations

import hashlib
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.commits import (
    GENESIS,
    NEW,
    Commit,
    Head,
    Place,
    Token,
    derive_id,
    from_us,
    issue_token,
    merkle_root,
    read_token,
    split_stream,
    stream_name,
    to_us,
)
from domain.errors import InvalidToken
from tests import strategies

# --- ids -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.text() | st.integers() | st.none(), max_size=4))
def test_an_id_is_the_same_whenever_its_parts_are(parts: list[Any]) -> None:
    parts = [p.encode("utf-8", "replace").decode() if isinstance(p, str) else p for p in parts]
    ident = derive_id(*parts)
    assert ident == derive_id(*parts)
    assert len(ident) == 26
    assert set(ident) <= set(string.ascii_lowercase + "234567")


def test_an_id_depends_on_where_one_part_ends_and_the_next_begins() -> None:
    assert derive_id("ab", "c") != derive_id("a", "bc") != derive_id("abc")


def test_an_id_never_changes_between_versions_of_this_program() -> None:
    """Commit ids are compared with those of years ago."""
    assert derive_id("anna#asset#1", "validate", 1, None) == "mg2iyrnvimwounaalrvk7v2lom"


def test_a_stream_s_name_comes_apart_as_it_was_put_together() -> None:
    assert split_stream(stream_name("anna", "asset", "1")) == ("anna", "asset", "1")


@given(st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_microseconds_come_back_as_the_moment_they_were(moment: datetime) -> None:
    assert from_us(to_us(moment)) == moment
    assert to_us(moment + timedelta(microseconds=1)) == to_us(moment) + 1


# --- tokens ----------------------------------------------------------------------------------------------------------

PLACE = Place(3, 7, bytes(range(32)))


def test_a_token_says_where_the_next_append_goes() -> None:
    assert read_token("anna#asset#1", issue_token("anna#asset#1", PLACE)) == PLACE


def test_the_token_of_a_stream_that_does_not_exist_leads_to_its_first_commit() -> None:
    assert read_token("anna#asset#1", NEW) == Place(0, 0, GENESIS)


def test_a_token_of_another_stream_is_refused() -> None:
    with pytest.raises(InvalidToken, match="anna#asset#2"):
        read_token("anna#asset#2", issue_token("anna#asset#1", PLACE))


@pytest.mark.parametrize("made_up", ["3", "3.7", ".", "...", "3.7.00.12345678", "x.y.z.w", "\x00", "3.7." + "0" * 64])
def test_a_token_that_was_made_up_is_refused(made_up: str) -> None:
    with pytest.raises(InvalidToken):
        read_token("anna#asset#1", Token(made_up))


@given(st.integers(0, 80), st.sampled_from("0123456789abcdef."))
def test_a_token_that_was_changed_is_refused(at: int, letter: str) -> None:
    token = issue_token("anna#asset#1", PLACE)
    at %= len(token)
    changed = token[:at] + letter + token[at + 1 :]
    if changed != token:
        with pytest.raises(InvalidToken):
            read_token("anna#asset#1", Token(changed))


# --- the chain -------------------------------------------------------------------------------------------------------


@given(strategies.commits())
def test_a_commit_s_hash_covers_its_stored_bytes(commit: Commit) -> None:
    naive = hashlib.sha256(commit.prev_hash + commit.header() + b"\n" + commit.body).digest()
    assert commit.hash == commit.computed_hash() == naive


@pytest.mark.parametrize("field", [f for f in Commit.__struct_fields__ if f != "hash"])
@settings(max_examples=10)  # for each field; a history takes hypothesis a while to make up
@given(strategies.commits())
def test_no_field_changes_without_the_hash(field: str, commit: Commit) -> None:
    value = getattr(commit, field)
    other: Any = {str: f"{value}x", int: value + 1 if isinstance(value, int) else 0}.get(type(value), b"x" * 32)
    if field == "causation_id":
        other = "another" if value is None else None
    changed = msgspec.structs.replace(commit, **{field: other})
    assert changed.computed_hash() != commit.hash


@settings(max_examples=25)
@given(strategies.histories())
def test_versions_in_a_stream_have_no_gap(history: list[Commit]) -> None:
    version = 0
    for commit in history:
        assert commit.first_version == version + 1
        version = commit.last_version


# --- the seal's root -------------------------------------------------------------------------------------------------


def rfc_6962(leaves: list[bytes]) -> bytes:
    """The recursion of RFC 6962, section 2.1, as it stands there: MTH({}), MTH({d0}), MTH(D[n])."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + rfc_6962(leaves[:k]) + rfc_6962(leaves[k:])).digest()


def heads(count: int) -> list[Head]:
    return [Head(f"anna#asset#{i:04}", i + 1, hashlib.sha256(str(i).encode()).digest()) for i in range(count)]


@pytest.mark.parametrize("count", [*range(18), 31, 32, 33, 100, 255, 256, 257])
def test_the_root_is_that_of_rfc_6962(count: int) -> None:
    leaves = [msgspec.json.encode((h.stream, h.number, h.hash.hex())) for h in heads(count)]
    assert merkle_root(heads(count)) == rfc_6962(leaves)


@given(st.permutations(heads(9)))
def test_the_root_does_not_depend_on_the_order_in_which_heads_come(shuffled: list[Head]) -> None:
    assert merkle_root(shuffled) == merkle_root(heads(9))


@pytest.mark.parametrize("change", [{"stream": "anna#asset#x"}, {"number": 99}, {"hash": bytes(32)}])
@pytest.mark.parametrize("at", [0, 4, 8])
def test_every_part_of_every_head_is_under_the_root(at: int, change: dict[str, Any]) -> None:
    changed = heads(9)
    changed[at] = msgspec.structs.replace(changed[at], **change)
    assert merkle_root(changed) != merkle_root(heads(9))


def test_a_head_can_t_be_left_out_or_told_twice() -> None:
    nine = heads(9)
    assert len({merkle_root(nine), merkle_root(nine[:-1]), merkle_root(nine[1:]), merkle_root([*nine, nine[0]])}) == 4
