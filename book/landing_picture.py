"""The picture on the start page, drawn when the pages are built: a photo, its mask, the car somewhere else."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from carvana_lessons import studio
from carvana_lessons.prediction import cutout

CAR, VIEW, SIZE = 12, 4, (480, 320)  # of the studio, in whatever photos the chapters themselves ran
GAP, GREY = 56, (128, 128, 128, 255)  # an arrow that shows on white and on black
DUSK = (72, 44, 108), (255, 170, 110)


def make(path: Path) -> None:
    """Write the picture as WebP with transparent gaps, the same bytes every time."""
    photo, mask = studio.render(CAR, VIEW, (2 * SIZE[0], 2 * SIZE[1]), studio.DEFAULT.seed)
    alpha = cutout.feather(mask)
    behind = cutout.gradient(mask.shape, *DUSK)
    panels = [photo, mask[..., None].repeat(3, axis=2) * np.uint8(255)]
    panels.append(cutout.composite(cutout.estimate_foreground(photo, alpha), alpha, behind))
    whole = Image.new("RGBA", (3 * SIZE[0] + 2 * GAP, SIZE[1]))
    pen = ImageDraw.Draw(whole)
    for k, panel in enumerate(panels):
        left = k * (SIZE[0] + GAP)
        whole.paste(Image.fromarray(panel).resize(SIZE, Image.Resampling.LANCZOS), (left, 0))
        if k:
            middle = SIZE[1] // 2
            pen.line([(left - GAP + 12, middle), (left - 22, middle)], fill=GREY, width=5)
            pen.polygon([(left - 24, middle - 10), (left - 24, middle + 10), (left - 10, middle)], fill=GREY)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save(path, quality=80)
