"""Steps as the template deploys them: what each function gets, and why. `infrastructure.repeated` writes them out."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

__all__ = ["LEAST_STORAGE_MB", "STEPS", "VISIBILITY_FACTOR", "StepShape"]

VISIBILITY_FACTOR = 6
"""AWS: "at least six times the timeout that you configure on your function"."""

LEAST_STORAGE_MB = 512
"""What every function has in /tmp for nothing."""


class StepShape(Struct, frozen=True, kw_only=True):
    """One step's function, queue and rights. Every step appends events, and may store a body that is too large for one;
    all else is asked for here."""

    name: str
    about: str
    memory_mb: int
    timeout_s: int  # its queue hides a message for `VISIBILITY_FACTOR` times this
    layers: tuple[str, ...] = ()  # beside `core`
    storage_mb: int = LEAST_STORAGE_MB  # of /tmp
    storage_why: str = ""
    originals: bool = True  # whether it reads what was uploaded
    asks: tuple[str, ...] = ()  # of Rekognition, when the configuration says so; it then keeps a budget
    collections: tuple[str, ...] = ()  # what it asks of the stage's collections of faces, likewise
    views: tuple[str, ...] = ()  # projections whose rows it reads, and writes before it does
    reads: tuple[str, ...] = ()  # projections whose rows it reads only
    documents: Mapping[str, str] = {}  # kinds of the system's documents: `read` or `write`; of a key none else is given
    capped: bool = True  # by MaxConcurrency, where runs are long; 5 connections poll such a queue, else 2
    cap_if: str = ""  # a condition of the template under which it is capped although `capped` is false
    why: str  # the numbers that memory and time were chosen from


_FOLLOWING = "CapsFollowing"
"""Steps that follow a capped one which takes several times as long (`renditions`, `encode`) run as many at once as come
through it: one to three. Only a `reprocess` of thousands asks for more. A cap of their own costs three more connections
a queue, 0.16 US dollars a month each; so it is a parameter of the template, off by default."""

STEPS: tuple[StepShape, ...] = (
    StepShape(
        name="validate",
        about="Is the file what it says it is, whole, and within the limits?",
        layers=("arrays", "pictures", "vips", "video"),
        memory_mb=1769,
        timeout_s=420,
        storage_mb=5120,
        storage_why="originals of up to 4 GB",
        why="""\
Measured (2 processors, warm, function + decoder): 12 MP JPEG 0.07 s and 115 MB; 12 MP HEIC 0.6 s, 200 MB; 48 MP PNG
2 s, 300 MB; 108 MP progressive JPEG 1.1 s, 435 MB; 4K video 0.3 s, 160 MB. A decoder is one thread: 1,769 MB are the
one whole processor that it can use, and four times the most that was seen. Decoding may take 45 s (then the file is
refused), a scan 300 s; the rest of the time is for fetching 4 GB.""",
    ),
    StepShape(
        name="metadata",
        about="Date, place, camera",
        layers=("arrays", "pictures", "video", "places"),
        memory_mb=512,
        timeout_s=120,
        storage_mb=5120,
        storage_why="originals of up to 4 GB",
        capped=False,
        why="""\
Measured: 0.03 s and 140 MB (with the map of time zones) for a picture of any size, since nothing is decoded; so a
third of a processor does. The rest of the time is for fetching a large original.""",
    ),
    StepShape(
        name="place",
        about="The name of where it was taken",
        layers=("arrays",),
        originals=False,
        capped=False,
        memory_mb=512,
        timeout_s=30,
        why="""\
Measured: 0.2 s of a processor to read the table of 155,000 places, 1.3 ms a position, 61 MB.""",
    ),
    StepShape(
        name="renditions",
        about="Smaller pictures to show in place of the original",
        layers=("arrays", "pictures", "vips"),
        memory_mb=1769,
        timeout_s=120,
        storage_mb=2048,
        storage_why="the picture and what is made from it",
        why="""\
Measured: 12 MP JPEG 0.3 s and 140 MB; 12 MP HEIC 0.9 s, 235 MB; 48 MP PNG 2.1 s, 300 MB; 108 MP progressive JPEG
1.4 s, 465 MB. One thread, so one whole processor, as for validate.""",
    ),
    StepShape(
        name="video",
        about="What a video is made of, its poster, preview and scrub strip",
        layers=("arrays", "pictures", "vips", "video"),
        memory_mb=1769,
        timeout_s=300,
        storage_mb=5120,
        storage_why="originals of up to 4 GB, and pictures",
        why="""\
One thread, so one whole processor, as for validate; it looks at samples, not at every picture. Twice a decoder's 45 s,
and the time to fetch 4 GB.""",
    ),
    StepShape(
        name="fingerprint",
        about="Hashes of the pixels, and of what a picture looks like",
        layers=("arrays", "pictures", "vips", "video"),
        capped=False,
        cap_if=_FOLLOWING,
        memory_mb=1769,
        timeout_s=600,
        storage_mb=5120,
        storage_why="originals of up to 4 GB",
        why="""\
One thread. A JPEG's or a WebP's coded bytes are read, of others all pixels are decoded; a video is read whole,
for which a decoder gets 45 s and a second for each 10 MB.""",
    ),
    StepShape(
        name="duplicates",
        about="Other assets of the owner that show the same picture",
        originals=False,
        capped=False,
        views=("fingerprints",),
        memory_mb=512,
        timeout_s=60,
        why="""\
Waits for some 45 ranges of an index, 16 at a time; NumPy and decoders are not needed.""",
    ),
    StepShape(
        name="tags",
        about="What a picture shows: things, scenes, activities",
        asks=("DetectLabels", "DetectCustomLabels"),
        layers=("arrays", "inference", "models-tags"),
        originals=False,
        capped=False,
        cap_if=_FOLLOWING,
        memory_mb=1024,
        timeout_s=120,
        why="""\
Measured: 0.23 s for the first picture, both models loaded, then 43 ms; 212 MB. It waits for DynamoDB and S3 longer
than it computes: 1,024 MB (0.58 of a processor) cost less than a whole one, and a cold start stays at 2 s.""",
    ),
    StepShape(
        name="moderation",
        about="How likely a picture is not safe for everybody",
        asks=("DetectModerationLabels",),
        layers=("arrays", "inference", "models-moderation"),
        originals=False,
        capped=False,
        cap_if=_FOLLOWING,
        memory_mb=1024,
        timeout_s=120,
        why="""\
Measured: 0.16 s for the first picture, the model loaded, then 13 ms; 164 MB. Memory as for tags.""",
    ),
    StepShape(
        name="embed",
        about="What is known of an asset in words, as one vector",
        layers=("arrays", "inference", "words", "models-words"),
        originals=False,
        capped=False,
        cap_if=_FOLLOWING,
        memory_mb=1024,
        timeout_s=120,
        why="""\
Measured: 0.40 s for the first asset (model, tokenizer, the labels' own weights), then 15 ms for a dozen texts that are
new; labels come again and are remembered. 307 MB.""",
    ),
    StepShape(
        name="faces",
        about="Where faces are, and what tells them apart; only of owners who agreed",
        layers=("arrays", "inference", "models-faces"),
        collections=("CreateCollection", "DeleteCollection", "IndexFaces"),
        originals=False,
        documents={"face-key": "read", "face-collection": "write", "budget": "write"},
        capped=False,
        cap_if=_FOLLOWING,
        memory_mb=1024,
        timeout_s=120,
        why="""\
Measured: 0.18 s for the first picture, then up to 70 ms a picture with faces; 165 MB, 191 MB with 200 faces in it: 16
are looked at together. Says that face recognition is off until the owner agrees.""",
    ),
    StepShape(
        name="identify",
        about="Whose faces they are",
        layers=("arrays", "nearest"),
        collections=("SearchFaces",),
        originals=False,
        reads=("faces",),
        documents={
            "face-key": "read",
            "face-index": "write",
            "face-turn": "write",
            "budget": "write",
            "projection": "read",
        },
        capped=False,
        cap_if=_FOLLOWING,
        memory_mb=1769,
        timeout_s=300,
        why="""\
Measured, an owner's index at a cold start: 1,000 faces 3 ms and 0.8 MB read, 10,000 22 ms and 7.7 MB, 100,000 0.54 s
and 77 MB. Then 1 ms a face; once in many thousand pictures large segments are joined, at 100,000 faces for 7 s. A graph
of 20,000 takes 17 MB once it is read, and up to eight owners' are kept: so 1,769 MB. How many run at once does not
matter for what they find: who decides second looks again.""",
    ),
    StepShape(
        name="transcode",
        about="Plans what is made of a video for the web, and in how many parts",
        originals=False,
        capped=False,
        memory_mb=512,
        timeout_s=30,
        why="Decides by the analysis in the asset's history; no file is opened.",
    ),
    StepShape(
        name="encode",
        about="One part of a video in all renditions",
        layers=("arrays", "pictures", "video"),
        memory_mb=3538,
        timeout_s=900,
        storage_mb=10240,
        storage_why="an original of up to 4 GB, and what is made of a part of it",
        why="""\
x264 on two threads: two whole processors. Parts are cut to about 300 s of work on one slow core; the decoder's child
ends at 780 s, under Lambda's 15 minutes. Its memory limit is that of every decoder, 3 GB of address space.""",
    ),
    StepShape(
        name="join",
        about="The parts of a video as one MP4, and playlists",
        layers=("arrays", "pictures", "video"),
        capped=False,
        cap_if=_FOLLOWING,
        memory_mb=1769,
        timeout_s=900,
        storage_mb=10240,
        storage_why="an original of up to 4 GB, its parts, and the MP4",
        why="""\
Packets are copied, nothing is encoded: fetching parts and storing the MP4 takes the time.""",
    ),
)
"""One entry for each step of domain/pipeline.py, in its order; a test holds the two together."""
