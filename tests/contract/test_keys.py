"""What every `Keys` does: one key a scope, made once, gone for good when it is destroyed.

`KeysContract` is the suite; the classes at the end hold each adapter to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.aws.connection import Aws
from adapters.aws.keys import DynamoKeys, KmsWrap
from adapters.local.keys import SqliteKeys
from domain.errors import NotFound
from domain.keys import KEY_BYTES, Keys

A, B = "anna#asset#a", "anna#asset#b"


class KeysContract:
    """Subclasses give `opened`: each call opens the same keys anew, as another process does."""

    @pytest.fixture
    def opened(self) -> Iterator[Callable[[], Keys]]:
        raise NotImplementedError

    def test_a_scope_has_one_key_for_good(self, opened: Callable[[], Keys]) -> None:
        keys, other = opened(), opened()
        key = keys.ensure(A)
        assert key is not None
        assert len(key) == KEY_BYTES
        assert keys.ensure(A) == keys.get(A) == other.ensure(A) == other.get(A) == key
        assert keys.ensure(B) not in (key, None)

    def test_a_key_that_never_was_is_no_destroyed_one(self, opened: Callable[[], Keys]) -> None:
        with pytest.raises(NotFound, match="restore the keys"):
            opened().get(A)

    def test_a_destroyed_key_is_gone_and_none_is_made_again(self, opened: Callable[[], Keys]) -> None:
        keys = opened()
        keys.ensure(A)
        assert keys.destroy(A)
        assert not keys.destroy(A)
        for each in (keys, opened()):
            assert each.get(A) is None
            assert each.ensure(A) is None

    def test_what_never_had_a_key_gets_none_after_it_was_destroyed(self, opened: Callable[[], Keys]) -> None:
        keys = opened()
        assert not keys.destroy(A)
        assert keys.ensure(A) is None

    def test_many_are_looked_up_at_once(self, opened: Callable[[], Keys]) -> None:
        keys = opened()
        made = {f"anna#asset#{n}": keys.ensure(f"anna#asset#{n}") for n in range(130)}
        keys.destroy("anna#asset#7")
        made["anna#asset#7"] = None
        other = opened()
        other.prepare([*made, "anna#asset#unknown"])
        assert {scope: other.get(scope) for scope in made} == made

    def test_whoever_asks_at_the_same_time_gets_the_same(self, opened: Callable[[], Keys]) -> None:
        several = [opened() for _ in range(4)]
        with ThreadPoolExecutor(8) as pool:
            found = set(pool.map(lambda n: several[n % 4].ensure(A), range(32)))
        assert len(found) == 1
        assert None not in found


class TestSqliteKeys(KeysContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Iterator[Callable[[], Keys]]:
        made: list[SqliteKeys] = []

        def open_() -> Keys:
            made.append(SqliteKeys(tmp_path / "keys.db"))
            return made[-1]

        yield open_
        for each in made:
            each.close()

    def test_nothing_of_a_destroyed_key_is_left_in_the_files(self, opened: Callable[[], Keys], tmp_path: Path) -> None:
        keys = opened()
        key = keys.ensure(A)
        assert key
        assert any(key in path.read_bytes() for path in tmp_path.glob("keys.db*"))
        keys.destroy(A)
        assert not any(key in path.read_bytes() for path in tmp_path.glob("keys.db*"))


class TestDynamoKeys(KeysContract):
    @pytest.fixture
    def opened(self, emulated: Aws, prefix: str) -> Iterator[Callable[[], Keys]]:
        table = f"{prefix}keys"
        DynamoKeys(emulated, table).create()
        yield lambda: DynamoKeys(emulated, table)
        emulated.dynamodb.delete_table(TableName=table)


class TestDynamoKeysBehindKms(KeysContract):
    @pytest.fixture
    def opened(self, emulated: Aws, prefix: str) -> Iterator[Callable[[], Keys]]:
        table = f"{prefix}keys"
        DynamoKeys(emulated, table).create()
        kms = emulated.kms.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
        yield lambda: DynamoKeys(emulated, table, KmsWrap(emulated, table, kms))
        emulated.dynamodb.delete_table(TableName=table)

    def test_the_table_holds_no_key_as_it_is(self, opened: Callable[[], Keys], emulated: Aws, prefix: str) -> None:
        key = opened().ensure(A)
        items = emulated.dynamodb.scan(TableName=f"{prefix}keys")["Items"]
        assert len(items) == 2
        assert all(item["key"]["B"] != key for item in items)
