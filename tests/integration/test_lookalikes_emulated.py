"""Look-alikes on AWS's side: the same search on DynamoDB, consistent and by many threads, from uploads to events."""

from __future__ import annotations

import io
import threading

from PIL import Image

from domain.asset import asset_stream
from domain.events import LookalikesFound
from photovault.aws.cloud import Cloud
from tests.integration.deployment import Deployment, Invokes
from tests.support.factories import append, fingerprint, jpeg, sha, uploaded
from tests.support.fakes import outcomes

SEA = "f0f0a5a53c3c9696"


def grey(data: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("L").save(out, "JPEG", quality=60)
    return out.getvalue()


def test_an_upload_finds_the_copy_that_was_there(deployment: Deployment, vault: Cloud, invoke: Invokes) -> None:
    for name, data in (("a", jpeg(3, 400, 300)), ("b", jpeg(4, 400, 300)), ("c", grey(jpeg(3, 400, 300)))):
        deployment.put(f"anna/{name}.jpg", data)
        deployment.run(invoke)
    found = {
        (events[0].file_name, match.kind, match.distance <= 8)
        for events in outcomes(vault).values()
        for event in events
        if isinstance(event, LookalikesFound)
        for match in event.matches
    }
    assert found == {("c.jpg", "near", True)}


def test_of_two_that_search_at_the_same_time_at_least_one_finds_the_other(vault: Cloud) -> None:
    vault.register()
    for round_ in range(5):
        names = [f"a{round_}", f"b{round_}"]
        shown = f"{int(SEA, 16) ^ (0x1FF << 9 * round_):016x}"  # nine bits and more from the rounds before
        for name in names:
            hashes = fingerprint(phash=shown, pixels=sha(name))
            append(vault.store, asset_stream("anna", name), [uploaded(f"{name}.jpg")], [hashes])
        found: dict[str, set[str]] = {}
        start = threading.Barrier(2)

        def search(name: str, shown: str = shown, found: dict[str, set[str]] = found) -> None:
            start.wait()  # noqa: B023 - the threads end within the round
            matches = vault.lookalikes.near(asset_stream("anna", name), sha(name), shown).matches
            found[name] = {match.asset for match in matches}

        threads = [threading.Thread(target=search, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        a, b = names
        assert b in found[a] or a in found[b]
        assert (found[a] | found[b]) <= {a, b}
