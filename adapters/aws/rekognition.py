"""Amazon Rekognition behind the ports of recognition: DetectLabels, Custom Labels and DetectModerationLabels.

Pictures are sent as bytes (a medium rendition is far below the 5 MB that the service takes). botocore retries what is
throttled, in its adaptive mode; every call is paid from a `Budget` before it is made. The price that an event records
is the list price that the configuration names, not the bill.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from adapters.aws.connection import Aws, Costs, attempts, error_code
from domain.budget import Budget
from domain.errors import MediaRejected
from domain.moderation import LABELS, Moderated
from domain.recognition import Box, ModelUse, Recognised, Tag, TagKind
from domain.tagging import merge

__all__ = ["Prices", "RekognitionModerator", "RekognitionTagger", "box_of", "paid"]

LABELS_NAME, CUSTOM_NAME, MODERATION_NAME = "rekognition-labels", "rekognition-custom", "rekognition-moderation"

_MAX_LABELS = 50
_MAX_BYTES = 5 * 1024 * 1024

_KINDS: Mapping[str, TagKind] = {
    "Actions": "activity",
    "Sports": "activity",
    "Hobbies and Interests": "activity",
    "Nature and Outdoors": "scene",
    "Home and Indoors": "scene",
    "Offices and Workspaces": "scene",
    "Buildings and Architecture": "scene",
    "Popular Landmarks": "scene",
    "Travel and Adventure": "scene",
}
"""What a label of a category is, unless it was located: a thing that has a box is a thing."""

_COUNTED = frozenset(
    {
        "Explicit",
        "Explicit Nudity",
        "Non-Explicit Nudity of Intimate parts and Kissing",
        "Nudity",
        "Suggestive",
        "Violence",
        "Visually Disturbing",
        "Hate Symbols",
    }
)
"""Top categories that make a score; swimwear, alcohol, tobacco, gambling and rude gestures are recorded, not scored."""

_BROKEN = {"InvalidImageFormatException", "ImageTooLargeException", "InvalidParameterException"}


class Prices(Struct, frozen=True):
    """List prices of one picture, in millionths of a dollar (us-east-1, the first million a month, when not told)."""

    labels: int = 1_000
    moderation: int = 1_000
    custom: int = 0  # by the hour that the model runs, not by picture


class RekognitionTagger:
    """`domain.ports.Tagger` by DetectLabels, and DetectCustomLabels where a model of one's own is named.

    Args:
        custom_model: ARN of a project's version that is running; None: none.
        least: labels below this confidence (0 to 1) are not asked for.
    Attributes:
        costs: requests used by this instance.
    """

    def __init__(
        self,
        aws: Aws,
        budget: Budget,
        *,
        custom_model: str | None = None,
        least: float = 0.6,
        prices: Prices = Prices(),  # noqa: B008  (frozen)
    ) -> None:
        self.costs = Costs()
        self._client = aws.rekognition
        self._budget = budget
        self._custom = custom_model
        self._least = least
        self._prices = prices

    @property
    def models(self) -> Sequence[ModelUse]:
        """The services that are asked; which version answered is in what they say."""
        named = [ModelUse(LABELS_NAME, "current", self._prices.labels)]
        return [*named, ModelUse(CUSTOM_NAME, _version(self._custom), self._prices.custom)] if self._custom else named

    def tag(self, pictures: Sequence[Path]) -> Sequence[Recognised]:
        """See `domain.ports.Tagger`. Cost: 1 request a picture, 2 with a model of one's own; the service takes one
        picture a request.

        Raises:
            MediaRejected: the service can't read the picture.
            ServicePaused: the month's cap is reached.
        """
        return [self._tag(_read(path)) for path in pictures]

    def _tag(self, data: bytes) -> Recognised:
        least = self._least * 100
        said = paid(
            self._budget,
            self._prices.labels,
            self.costs,
            lambda: self._client.detect_labels(
                Image={"Bytes": data}, MaxLabels=_MAX_LABELS, MinConfidence=least, Features=["GENERAL_LABELS"]
            ),
        )
        use = ModelUse(LABELS_NAME, str(said.get("LabelModelVersion") or "unknown"), self._prices.labels)
        tags = [tag for label in said["Labels"] for tag in _tags(label, use, self._least)]
        if self._custom is None:
            return Recognised(merge(tags), (use,))
        own = ModelUse(CUSTOM_NAME, _version(self._custom), self._prices.custom)
        try:
            found = paid(
                self._budget,
                self._prices.custom,
                self.costs,
                lambda: self._client.detect_custom_labels(
                    ProjectVersionArn=self._custom, Image={"Bytes": data}, MaxResults=_MAX_LABELS, MinConfidence=least
                ),
            )
        except ClientError as error:
            if error_code(error) not in ("ResourceNotReadyException", "ResourceNotFoundException"):
                raise
            note = f"Custom Labels was not asked ({error_code(error)}): start the model's version"
            return Recognised(merge(tags), (use,), notes=(note,))
        return Recognised(merge(tags, [_custom_tag(label, own) for label in found["CustomLabels"]]), (use, own))


class RekognitionModerator:
    """`domain.ports.Moderator` by DetectModerationLabels: the highest confidence of a category that counts.

    Attributes:
        costs: requests used by this instance.
    """

    available = True

    def __init__(self, aws: Aws, budget: Budget, *, prices: Prices = Prices()) -> None:  # noqa: B008  (frozen)
        self.costs = Costs()
        self._client = aws.rekognition
        self._budget = budget
        self._prices = prices

    def moderate(self, picture: Path) -> Moderated:
        """See `domain.ports.Moderator`. Cost: 1 request.

        Raises:
            MediaRejected: the service can't read the picture.
            ServicePaused: the month's cap is reached.
        """
        data = _read(picture)
        said = paid(
            self._budget,
            self._prices.moderation,
            self.costs,
            lambda: self._client.detect_moderation_labels(Image={"Bytes": data}, MinConfidence=20.0),
        )
        parents = {label["Name"]: label.get("ParentName") or "" for label in said["ModerationLabels"]}
        counted = [
            label["Confidence"] / 100 for label in said["ModerationLabels"] if _top(label["Name"], parents) in _COUNTED
        ]
        return Moderated(
            max(counted, default=0.0),
            tuple(label["Name"][:100] for label in said["ModerationLabels"])[:LABELS],
            MODERATION_NAME,
            str(said.get("ModerationModelVersion") or "unknown"),
            self._prices.moderation,
        )


def _read(path: Path) -> bytes:
    if path.stat().st_size > _MAX_BYTES:
        raise MediaRejected("too_large", f"Rekognition takes pictures of up to {_MAX_BYTES >> 20} MB")
    return path.read_bytes()


def paid(
    budget: Budget,
    price: int,
    costs: Costs,
    call: Callable[[], dict[str, Any]],
    broken: Collection[str] = _BROKEN,
) -> dict[str, Any]:
    """Make a call whose price was set aside before; given back when it failed.

    Raises:
        MediaRejected: the service answers with an error of `broken`: the picture is at fault.
        ServicePaused: the month's cap is reached.
    """
    month = budget.reserve(price)
    try:
        answer = call()
    except ClientError as error:
        budget.give_back(month, price)
        costs.add(attempts(error.response))
        if error_code(error) in broken:
            raise MediaRejected("unsupported", f"Rekognition can't read it ({error_code(error)})") from error
        raise
    except BaseException:
        budget.give_back(month, price)
        raise
    costs.add(attempts(answer))
    return answer


def _tags(label: dict[str, Any], use: ModelUse, least: float) -> list[Tag]:
    name, model = str(label["Name"]).lower()[:100], f"{use.name} {use.version}"
    located = [each for each in label.get("Instances", ()) if each.get("Confidence", 0.0) >= least * 100]
    if located:
        return [Tag(name, "object", _share(each["Confidence"]), model, box_of(each["BoundingBox"])) for each in located]
    kinds = [_KINDS[each["Name"]] for each in label.get("Categories", ()) if each["Name"] in _KINDS]
    return [Tag(name, kinds[0] if kinds else "object", _share(label["Confidence"]), model)]


def _custom_tag(label: dict[str, Any], use: ModelUse) -> Tag:
    box = label.get("Geometry", {}).get("BoundingBox")
    model = f"{use.name} {use.version}"[:100]
    return Tag(
        str(label["Name"]).lower()[:100], "object", _share(label["Confidence"]), model, box_of(box) if box else None
    )


def _share(percent: float) -> float:
    return round(min(1.0, max(0.0, percent / 100)), 4)


def box_of(box: Mapping[str, float]) -> Box:
    """A bounding box; the service's may begin outside the picture."""
    left, top = (min(1.0, max(0.0, box[side])) for side in ("Left", "Top"))
    right, bottom = (min(1.0, max(0.0, box[a] + box[b])) for a, b in (("Left", "Width"), ("Top", "Height")))
    return Box(round(left, 4), round(top, 4), round(max(0.0, right - left), 4), round(max(0.0, bottom - top), 4))


def _top(name: str, parents: Mapping[str, str]) -> str:
    for _ in range(5):
        if not parents.get(name):
            return name
        name = parents[name]
    return name


def _version(arn: str | None) -> str:
    """`arn:...:project/feeder/version/feeder.2026-05-01/1234` -> `feeder.2026-05-01`: what the version is called."""
    parts = (arn or "").split("/")
    return (parts[parts.index("version") + 1] if "version" in parts[:-1] else parts[-1])[:60] or "unknown"
