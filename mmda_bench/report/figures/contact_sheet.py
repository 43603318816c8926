"""Frames of some utterances as one picture: a strip each, under a line that says what was asked and answered."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmda_bench.data.validation import load_pictures
from mmda_bench.dataset import Utterance
from mmda_bench.errors import ClipError
from mmda_bench.report.inspected import Answer

HEIGHT = 96  # of a frame, in pixels
LINE = 18
MOST = 8  # frames in a strip
WIDTH = MOST * HEIGHT + 8


def write_sheet(path: Path, rows: Sequence[tuple[Answer, Utterance]]) -> Path:
    """Write the PNG; its path. A clip that cannot be read has the reason in the place of its frames."""
    sheet = Image.new("RGB", (WIDTH, max(1, len(rows)) * (HEIGHT + 2 * LINE + 8)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (answer, utterance) in enumerate(rows):
        top = number * (HEIGHT + 2 * LINE + 8) + 4
        said = f"{answer.id}  anchor {answer.anchor}: {answer.label} ({answer.truth:.2f}), answered {answer.predicted}"
        draw.text((4, top), said, fill="black", font=font)
        draw.text((4, top + LINE), utterance.text[:110], fill="dimgray", font=font)
        try:
            strip(sheet, load_pictures(utterance), (4, top + 2 * LINE))
        except ClipError as error:
            draw.text((4, top + 2 * LINE), f"cannot be read: {error}"[:120], fill="firebrick", font=font)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path


def strip(sheet: Image.Image, frames: np.ndarray, corner: tuple[int, int]) -> None:
    """Paste up to eight of the frames (T, H, W, 3), evenly chosen, side by side."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, MOST).round().astype(int))
    left, top = corner
    for frame in frames[chosen]:
        width = min(HEIGHT, max(1, round(HEIGHT * frame.shape[1] / frame.shape[0])))
        sheet.paste(Image.fromarray(frame).resize((width, HEIGHT)), (left, top))
        left += HEIGHT
