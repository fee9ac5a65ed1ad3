"""What is a kind of what: tags with their parents (kitten -> cat -> animal), and words that mean the same tag.

The tree is data. ImageNet's classes lie in ranges by kind, so that a group is a few numbers; COCO's 80 names and the
activities hang beside them. A name has one parent; `ancestors` walks up, `canonical` finds the tag behind a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from domain.imagenet import IMAGENET

__all__ = ["ABSTRACT", "COCO", "GROUPS", "SCENES", "TAXONOMY_VERSION", "ancestors", "canonical"]

TAXONOMY_VERSION = 1
"""Raise it when a name gets another parent: rows of the projections that hold parents are then rebuilt."""

_COCO_IN_ORDER = (
    "person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|stop sign|"
    "parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella|"
    "handbag|necktie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove|"
    "skateboard|surfboard|tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|banana|apple|"
    "sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|sofa|potted plant|bed|dining table|"
    "toilet|television|laptop|computer mouse|remote control|computer keyboard|mobile phone|microwave|oven|"
    "toaster|sink|refrigerator|book|clock|vase|scissors|teddy bear|hair dryer|toothbrush"
)
COCO: tuple[str, ...] = tuple(_COCO_IN_ORDER.split("|"))
"""Names of COCO's classes in their order, as the other models call the same things."""

_ONLY_ABOVE = (
    "animal|vehicle|food|drink|plant|clothing|furniture|electronics|kitchenware|building|shop|nature|"
    "sport|musical instrument|sports equipment|water sport|winter sport|weapon"
)
ABSTRACT: frozenset[str] = frozenset(_ONLY_ABOVE.split("|"))
"""Names that only stand above others: searched for, never told of a picture by themselves."""


def _numbers(*parts: int | tuple[int, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in parts:
        found |= {part} if isinstance(part, int) else set(range(part[0], part[1] + 1))
    return frozenset(found)


GROUPS: Mapping[str, tuple[str | None, frozenset[int]]] = {
    # animals
    "shark": ("fish", _numbers((2, 4))),
    "fish": ("animal", _numbers(0, 1, 5, 6, 389, (391, 397))),
    "chicken": ("bird", _numbers(7, 8)),
    "parrot": ("bird", _numbers((87, 90))),
    "duck": ("bird", _numbers(97, 98)),
    "bird": ("animal", _numbers((9, 24), (80, 86), (91, 96), 99, 100, (127, 146))),
    "frog": ("amphibian", _numbers((30, 32))),
    "amphibian": ("animal", _numbers((25, 29))),
    "turtle": ("reptile", _numbers((33, 37))),
    "lizard": ("reptile", _numbers((38, 48))),
    "snake": ("reptile", _numbers((52, 68))),
    "reptile": ("animal", _numbers(49, 50)),
    "spider": ("animal", _numbers((72, 77))),
    "elephant": ("animal", _numbers(101, 385, 386)),
    "kangaroo": ("animal", _numbers(104)),
    "crab": ("animal", _numbers((118, 121), 125)),
    "whale": ("animal", _numbers(147, 148)),
    "dog": ("animal", _numbers((151, 268))),
    "wolf": ("animal", _numbers((269, 272))),
    "fox": ("animal", _numbers((277, 280))),
    "cat": ("animal", _numbers((281, 285))),
    "big cat": ("animal", _numbers(286, (288, 293))),
    "bear": ("animal", _numbers((294, 297))),
    "beetle": ("insect", _numbers((300, 307))),
    "butterfly": ("insect", _numbers((321, 326))),
    "insect": ("animal", _numbers((308, 320))),
    "rabbit": ("animal", _numbers((330, 332))),
    "rodent": ("animal", _numbers((333, 338))),
    "horse": ("animal", _numbers(339)),
    "zebra": ("animal", _numbers(340)),
    "pig": ("animal", _numbers((341, 343))),
    "cow": ("animal", _numbers((345, 347))),
    "sheep": ("animal", _numbers(348, 349)),
    "goat": ("animal", _numbers(350)),
    "antelope": ("animal", _numbers((351, 353))),
    "camel": ("animal", _numbers(354, 355)),
    "ape": ("monkey", _numbers((365, 369))),
    "monkey": ("animal", _numbers((370, 384))),
    "panda": ("animal", _numbers(387, 388)),
    "animal": (
        None,
        _numbers(
            *(51, 69, 70, 71, 78, 79, 102, 103, 105, 106, (107, 117), (122, 124), 126, 149, 150),
            *((273, 276), 287, 298, 299, (327, 329), 344, (356, 364), 390),
        ),
    ),
    # vehicles
    "car": ("vehicle", _numbers(436, 468, 479, 511, 581, 609, 627, 656, 661, 717, 751, 817)),
    "truck": ("vehicle", _numbers(555, 569, 675, 864, 867)),
    "bus": ("vehicle", _numbers(654, 779, 874)),
    "train": ("vehicle", _numbers(466, 547, 565, 705, 820, 829)),
    "bicycle": ("vehicle", _numbers(444, 671)),
    "motorcycle": ("vehicle", _numbers(665, 670)),
    "boat": ("vehicle", _numbers(403, 472, 484, 510, 554, 576, 625, 628, 724, 780, 814, 833, 871, 914)),
    "airplane": ("vehicle", _numbers(404, 895, 908)),
    "spacecraft": ("vehicle", _numbers(812)),
    "rocket": ("vehicle", _numbers(657, 744)),
    "vehicle": (
        None,
        _numbers(405, 407, 408, 417, 428, 450, 537, 561, 573, 575, 586, 595, 603, 612, 660, 690, 734, 757, 802, 803)
        | _numbers(847, 856, 866, 870, 880),
    ),
    # food, drink, plants
    "fruit": ("food", _numbers((948, 957))),
    "vegetable": ("food", _numbers((936, 946))),
    "bread": ("food", _numbers((930, 932))),
    "dessert": ("food", _numbers((927, 929), 960)),
    "food": (None, _numbers((924, 926), (933, 935), 959, (961, 965), 987)),
    "coffee": ("drink", _numbers(504, 550, 505, 967)),
    "wine": ("drink", _numbers(907, 966)),
    "beer": ("drink", _numbers(440, 441)),
    "drink": (None, _numbers(737, 849, 969)),
    "mushroom": ("plant", _numbers(947, (991, 997))),
    "flower": ("plant", _numbers((984, 986))),
    "plant": (None, _numbers(738, (988, 990), 998)),
    # what people make
    "guitar": ("musical instrument", _numbers(402, 546)),
    "piano": ("musical instrument", _numbers(579, 881)),
    "musical instrument": (
        None,
        _numbers(
            401, 420, 432, 486, 513, 541, 558, 566, 577, 593, 594, 641, 642, 683, 684, 687, 699, 776, 822, 875, 889
        ),
    ),
    "computer": ("electronics", _numbers(508, 527, 590, 620, 664, 673, 681, 782)),
    "telephone": ("electronics", _numbers(487, 528, 707)),
    "camera": ("electronics", _numbers(732, 759)),
    "electronics": (None, _numbers(481, 482, 485, 592, 605, 632, 650, 662, 713, 742, 745, 754, 761, 848, 851)),
    "clock": (None, _numbers(409, 530, 531, 604, 826, 835, 892)),
    "chair": ("furniture", _numbers(423, 559, 765, 857)),
    "bed": ("furniture", _numbers(516, 520, 431, 564)),
    "furniture": (None, _numbers(453, 493, 495, 526, 532, 548, 703, 736, 831, 894)),
    "kitchenware": (
        None,
        _numbers(473, 499, 503, 512, 521, 544, 567, 618, 647, 651, 659, 729, 760, 766, 809, 813, 827, 828, 859, 868)
        | _numbers(891, 909, 910, 923, 968),
    ),
    "hat": ("clothing", _numbers(439, 452, 515, 518, 560, 667, 715, 808)),
    "shoe": ("clothing", _numbers(502, 514, 630, 770, 774)),
    "swimwear": ("clothing", _numbers(433, 445, 638, 639, 842)),
    "glasses": ("clothing", _numbers(836, 837)),
    "clothing": (
        None,
        _numbers(
            399, 400, 411, 443, 451, 457, 459, 465, 474, 501, 529, 552, 568, 578, 591, 601, 608, 610, 614, 615, 617
        )
        | _numbers(652, 655, 658, 678, 679, 689, 697, 735, 775, 796, 806, 824, 834, 841, 869, 887, 903, 906),
    ),
    "sports equipment": (
        None,
        _numbers(422, 429, 430, 522, 543, 574, 602, 702, 722, 746, 747, 752, 768, 795, 801, 805, 852, 890),
    ),
    "weapon": (None, _numbers(413, 456, 471, 763, 764)),
    "church": ("building", _numbers(442, 497, 663)),
    "castle": ("building", _numbers(483, 698)),
    "bridge": (None, _numbers(821, 839, 888)),
    "building": (None, _numbers(425, 437, 449, 500, 538, 668, 727, 743, 832, 853, 858, 873, 900, 915)),
}
"""Groups with their parent and the ImageNet classes that are of no finer group. The two together are a tree."""

SCENES: Mapping[int, str] = {
    970: "mountain",
    972: "cliff",
    973: "coral reef",
    974: "geyser",
    975: "lake",
    976: "headland",
    977: "beach",
    978: "seashore",
    979: "valley",
    980: "volcano",
    415: "bakery",
    424: "barbershop",
    454: "bookshop",
    467: "butcher shop",
    498: "cinema",
    509: "confectionery",
    580: "greenhouse",
    582: "grocery store",
    598: "home theater",
    624: "library",
    634: "sawmill",
    706: "terrace",
    762: "restaurant",
    788: "shoe shop",
    819: "stage",
    860: "tobacco shop",
    865: "toyshop",
    525: "dam",
    536: "dock",
    460: "breakwater",
    718: "pier",
    646: "maze",
    562: "fountain",
}
"""Classes that say where a picture was taken, and what the place is called."""

_PARENTS: dict[str, str] = {
    **dict.fromkeys(["boat", "train", "truck", "car", "bus", "airplane", "bicycle", "motorcycle"], "vehicle"),
    **dict.fromkeys(["giraffe", "zebra", "horse", "cow", "sheep"], "animal"),
    **dict.fromkeys(["banana", "apple", "orange"], "fruit"),
    **dict.fromkeys(["broccoli", "carrot"], "vegetable"),
    **dict.fromkeys(["sandwich", "hot dog", "pizza", "vegetable", "fruit", "bread", "dessert"], "food"),
    **dict.fromkeys(["donut", "cake"], "dessert"),
    **dict.fromkeys(["chair", "sofa", "bed", "dining table", "bench", "desk"], "furniture"),
    **dict.fromkeys(["laptop", "computer mouse", "computer keyboard"], "computer"),
    **dict.fromkeys(["television", "remote control", "computer"], "electronics"),
    **dict.fromkeys(["microwave", "oven", "toaster", "refrigerator", "sink", "fork", "knife", "spoon"], "kitchenware"),
    **dict.fromkeys(["bowl", "cup", "wine glass"], "kitchenware"),
    **dict.fromkeys(["frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat"], "sports equipment"),
    **dict.fromkeys(["baseball glove", "skateboard", "surfboard", "tennis racket"], "sports equipment"),
    "potted plant": "plant",
    "necktie": "clothing",
    "mobile phone": "telephone",
    "baseball player": "person",
    "groom": "person",
    "scuba diver": "person",
    "flower": "plant",
    "soccer ball": "sports ball",
    # scenes
    **dict.fromkeys(["mountain", "cliff", "lake", "valley", "volcano", "geyser", "coast", "coral reef"], "nature"),
    **dict.fromkeys(["seashore", "beach", "headland"], "coast"),
    **dict.fromkeys(["bakery", "bookshop", "butcher shop", "confectionery", "grocery store", "shoe shop"], "shop"),
    **dict.fromkeys(["toyshop", "tobacco shop", "barbershop"], "shop"),
    # activities
    **dict.fromkeys(["surfing", "canoeing", "diving", "snorkeling", "swimming"], "water sport"),
    **dict.fromkeys(["skiing", "snowboarding", "sledding"], "winter sport"),
    **dict.fromkeys(["water sport", "winter sport", "cycling", "skateboarding", "tennis", "baseball"], "sport"),
    **dict.fromkeys(["ball game", "riding", "parachuting"], "sport"),
}

_SYNONYMS: dict[str, str] = {
    **dict.fromkeys(["kitten", "kitty", "pussycat", "feline"], "cat"),
    **dict.fromkeys(["puppy", "pup", "doggy", "hound", "canine"], "dog"),
    **dict.fromkeys(["people", "man", "woman", "child", "boy", "girl", "human"], "person"),
    **dict.fromkeys(["bike", "pushbike"], "bicycle"),
    **dict.fromkeys(["motorbike", "moto"], "motorcycle"),
    **dict.fromkeys(["auto", "automobile"], "car"),
    **dict.fromkeys(["plane", "aeroplane", "aircraft", "jet"], "airplane"),
    **dict.fromkeys(["ship", "vessel", "sailboat", "yacht"], "boat"),
    **dict.fromkeys(["lorry"], "truck"),
    **dict.fromkeys(["couch", "settee"], "sofa"),
    **dict.fromkeys(["tv", "telly"], "television"),
    **dict.fromkeys(["cellphone", "cell phone", "smartphone", "phone"], "mobile phone"),
    **dict.fromkeys(["fridge", "icebox"], "refrigerator"),
    **dict.fromkeys(["soccer"], "soccer ball"),
    **dict.fromkeys(["mountains", "alps", "alp", "peak"], "mountain"),
    **dict.fromkeys(["lakeside", "lakeshore"], "lake"),
    **dict.fromkeys(["sandbar", "sand"], "beach"),
    **dict.fromkeys(["seaside", "shore", "sea", "ocean"], "seashore"),
    **dict.fromkeys(["blossom", "bloom"], "flower"),
    **dict.fromkeys(["bunny", "hare"], "rabbit"),
    **dict.fromkeys(["cattle", "bull", "ox"], "cow"),
    **dict.fromkeys(["pony"], "horse"),
    **dict.fromkeys(["tie"], "necktie"),
    **dict.fromkeys(["doughnut"], "donut"),
    **dict.fromkeys(["biking", "bicycling"], "cycling"),
    **dict.fromkeys(["dinner", "meal", "lunch", "eating"], "dining"),
    **dict.fromkeys(["notebook computer"], "laptop"),
    **dict.fromkeys(["pet"], "animal"),
    **dict.fromkeys(["ski"], "skis"),
    **dict.fromkeys(["geese"], "goose"),
    **dict.fromkeys(["mice"], "rodent"),
    **dict.fromkeys(["wolves"], "wolf"),
}


def _tree() -> dict[str, str]:
    parents = dict(_PARENTS)
    for group, (parent, classes) in GROUPS.items():
        if parent is not None:
            parents[group] = parent
        for number in sorted(classes):
            if IMAGENET[number] != group:
                parents.setdefault(IMAGENET[number], group)
    return parents


_TREE: Mapping[str, str] = _tree()
_NAMES: frozenset[str] = frozenset((*_TREE, *_TREE.values(), *COCO, *IMAGENET, *SCENES.values()))


@cache
def ancestors(tag: str) -> tuple[str, ...]:
    """What a tag is a kind of, the nearest first: of "golden retriever" it is "dog", "animal"."""
    found: list[str] = []
    at = _TREE.get(tag) or _SYNONYMS.get(tag)  # a service calls a kitten a kitten
    while at is not None and at not in found:
        found.append(at)
        at = _TREE.get(at)
    return tuple(found)


@cache
def canonical(word: str) -> str:
    """The tag that a person's word stands for: "Kittens" is "cat". A word that no tag is known for stays as it is."""
    word = " ".join(word.lower().split())
    for form in _forms(word):
        if form in _SYNONYMS:
            return _SYNONYMS[form]
        if form in _NAMES:
            return form
    return word


def _forms(word: str) -> Iterable[str]:
    yield word
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s"):
        yield word[:-1]
