"""The drill on AWS: a few assets are restored from the copies alone - the archive and, where there is one, the other
region - and proved by hash against the table.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from domain.commits import Commit, split_stream
from domain.errors import NotFound
from domain.events import BackupDrilled
from events_schema.lines import Line, from_line
from photovault.aws.cloud import Cloud
from photovault.exporting import line_of
from photovault.upkeep.log import record
from photovault.upkeep.proving import Drilled, prove

__all__ = ["SAMPLE", "drill"]

SAMPLE = 5
"""Assets of one drill."""

_LISTED = 100
_HOUR_US = 3_600_000_000
_GRACE_US = _HOUR_US  # the archive and the copy may still be behind
_PARTS = (1000, 50, 1)  # of the table: a random part of it holds a random few assets
_TRIES = 8


def drill(vault: Cloud, sample: int = SAMPLE) -> Drilled:
    """Restore a few assets, and record what came of it.

    Cost:
        A few pages of a scan; for each asset the archive's objects of the hours in which it changed, and its files.
    """
    before = int(vault.clock().timestamp() * 1_000_000) - _GRACE_US
    chosen = _chosen(vault, sample, before)
    archive = vault.replica.archive if vault.replica else vault.archive
    lines: list[Line] = []
    for commits in chosen.values():
        wanted = {(commit.stream, commit.number) for commit in commits}
        for hour in sorted({commit.recorded_us // _HOUR_US for commit in commits}):
            archived = archive.read(hour * _HOUR_US, (hour + 1) * _HOUR_US)
            mine = (commit for commit in archived if (commit.stream, commit.number) in wanted)
            lines += [from_line(line_of(vault.store, vault.blobs, commit)) for commit in mine]
    found = {(line.stream, line.number) for line in lines}
    heads = {(c.stream, c.number): c.hash for commits in chosen.values() for c in commits}
    keys = {stream: vault.keys.get(stream) for stream in chosen}
    done = prove(lines, keys, lambda key: _read(vault, key), lambda *place: heads.get(place))
    done.faults += [
        f"{stream}, commit {number}: is not in the archive" for stream, number in sorted(heads.keys() - found)
    ]
    record(vault, BackupDrilled(assets=done.assets, size_bytes=done.size_bytes, faults=tuple(done.faults[:_LISTED])))
    return done


def _chosen(vault: Cloud, sample: int, before_us: int) -> dict[str, list[Commit]]:
    """Random assets that did not change lately, with their commits."""
    found: dict[str, list[Commit]] = {}
    for parts in _PARTS:
        segments = list(vault.commits.segments(parts))
        random.shuffle(segments)
        for segment in segments[:_TRIES]:
            for stream in _streams(vault, segment):
                commits = list(vault.commits.read(stream))
                if commits[-1].recorded_us < before_us:
                    found[stream] = commits
                if len(found) == sample:
                    return found
    return found


def _streams(vault: Cloud, segment: str) -> Iterator[str]:
    last = ""
    for commit in vault.commits.segment(segment):
        if commit.stream != last and split_stream(commit.stream)[1] == "asset":
            yield commit.stream
        last = commit.stream


def _read(vault: Cloud, key: str) -> bytes | None:
    if vault.replica:
        return vault.replica.get(key)
    try:
        return vault.blobs.get(key)
    except NotFound:
        return None
