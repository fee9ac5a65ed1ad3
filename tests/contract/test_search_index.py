"""Each search index, held to `suites.search_index.SearchIndexContract`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from adapters.aws.opensearch import OpenSearchIndex
from adapters.aws.opensearch_documents import template_name
from adapters.local.search import SqliteSearchIndex
from domain.ports import SearchIndex
from domain.query import parse
from tests.contract.suites.search_index import BLUE, GREEN, TODAY, SearchIndexContract, document, entry
from tests.support.opensearch_server import Emulator


class TestSqlite(SearchIndexContract):
    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[SearchIndex]:
        index = SqliteSearchIndex(tmp_path / "search.db")
        index.create(BLUE)
        index.create(GREEN)
        yield index
        index.close()

    def test_another_process_sees_what_this_one_wrote_and_the_other_way_round(self, tmp_path: Path) -> None:
        one, other = SqliteSearchIndex(tmp_path / "two.db"), SqliteSearchIndex(tmp_path / "two.db")
        one.create(BLUE)
        for i, (writer, reader) in enumerate([(one, other), (other, one), (one, other)], 1):
            writer.put(BLUE, [entry(f"a{i}", document(tags=("dog",)), at=(1, 0))])
            assert len(reader.search(BLUE, "anna", parse("dog", TODAY), vector=(1.0, 0.0)).hits) == i
        one.close()
        other.close()


class OpenSearchContract(SearchIndexContract):
    """What an OpenSearch does; subclasses give a `client`."""

    @pytest.fixture
    def client(self) -> Iterator[OpenSearch]:
        raise NotImplementedError

    @pytest.fixture
    def index(self, client: OpenSearch, prefix: str) -> Iterator[SearchIndex]:
        index = OpenSearchIndex(client, prefix, dimensions=2, looks=2)
        index.create(BLUE)
        index.create(GREEN)
        yield index
        index.drop(BLUE)
        index.drop(GREEN)
        client.indices.delete_index_template(name=template_name(prefix))


class TestEmulatedOpenSearch(OpenSearchContract):
    @pytest.fixture
    def client(self, opensearch: Emulator) -> Iterator[OpenSearch]:
        with opensearch.client() as client:
            yield client


class TestNamedOpenSearch(OpenSearchContract):
    @pytest.fixture
    def client(self, named_opensearch: OpenSearch) -> OpenSearch:
        return named_opensearch
