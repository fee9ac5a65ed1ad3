"""A contact sheet: many thumbnails with their dates, places and sizes on one picture, to be looked at in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from domain.errors import InvalidInput
from photovault.page import marks, place_text, taken_text

__all__ = ["MAX_PICTURES", "write_sheet"]

MAX_PICTURES = 1000  # 167 rows of 6: 46,000 pixels high, below the 65,535 that a JPEG may have
_COLUMNS = 6
_TILE = 256  # the long edge of the small rendition
_GAP = 12
_LINES = 4
_LINE = 15
_PAPER, _MOUNT, _INK, _FADED = (250, 250, 248), (228, 228, 224), (20, 20, 20), (110, 110, 110)


def write_sheet(items: Sequence[Mapping[str, Any]], to: Path, tick: Callable[[], None] = lambda: None) -> int:
    """Draw gallery items (as `query gallery --json` gives them) on a JPEG or PNG, six to a row; how many it shows.

    Items without pictures get an empty mount with their state, so that what is missing is seen to be missing.

    Args:
        tick: called after each item.
    Raises:
        InvalidInput: there is nothing to draw, too much, or the file's name ends neither in .jpg nor in .png.
    """
    if not items:
        raise InvalidInput("there is nothing to draw: the gallery, or the part of it that was asked for, is empty")
    if len(items) > MAX_PICTURES:
        raise InvalidInput(f"{len(items):,} pictures are too many for one sheet: ask for {MAX_PICTURES:,} at most")
    if to.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise InvalidInput(f"a sheet is a picture: call it {to.stem}.jpg or {to.stem}.png")
    columns = min(_COLUMNS, len(items))
    rows = -(-len(items) // columns)
    step = _TILE + _GAP, _TILE + _LINES * _LINE + _GAP
    sheet = Image.new("RGB", (_GAP + columns * step[0], _GAP + rows * step[1]), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for number, item in enumerate(items):
        x, y = _GAP + number % columns * step[0], _GAP + number // columns * step[1]
        _draw_picture(sheet, draw, item, x, y, font)
        for line, text in enumerate(_caption(item)):
            at = (x, y + _TILE + 3 + line * _LINE)
            draw.text(at, _cut(draw, text, font), _FADED if line else _INK, font)
        tick()
    sheet.save(to, quality=88)
    return len(items)


def _draw_picture(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, item: Mapping[str, Any], x: int, y: int, font: Any
) -> None:
    draw.rectangle((x, y, x + _TILE - 1, y + _TILE - 1), _MOUNT)
    small = item["renditions"].get("small")
    if small is None:
        draw.text((x + _TILE // 2, y + _TILE // 2), item["state"].replace("_", " "), _FADED, font, anchor="mm")
        return
    with Image.open(small["path"], formats=["JPEG"]) as picture:  # our own rendition, never a stranger's file
        picture.thumbnail((_TILE, _TILE))
        sheet.paste(picture.convert("RGB"), (x + (_TILE - picture.width) // 2, y + (_TILE - picture.height) // 2))


def _caption(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Name; date with its zone and where it is from; place; size and camera."""
    source = (item["taken_from"] or "").partition(":")[0].replace("_", " ")
    offset = (item["taken_at"] or "")[19:].lstrip(".0123456789")
    pixels = f"{item['width']} x {item['height']}" if item["width"] else ""
    return (
        " ".join(filter(None, (item["file_name"], f"({marks(item)})" if marks(item) else ""))),
        " ".join(filter(None, (taken_text(item, 19), offset, f"({source})" if source else ""))) or "no date",
        place_text(item) or "no place",
        ", ".join(filter(None, (pixels, item["camera"]))),
    )


def _cut(draw: ImageDraw.ImageDraw, text: str, font: Any) -> str:
    """As much of a text as fits under a picture, without what a font can't show."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    if draw.textlength(text, font) <= _TILE:
        return text
    while text and draw.textlength(text + "...", font) > _TILE:
        text = text[:-1]
    return text + "..."
