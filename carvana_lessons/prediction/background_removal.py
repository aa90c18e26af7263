"""Background removal in one call: the steps of `carvana_lessons.prediction.cutout`, one after the other."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from carvana_lessons.prediction.backdrop import Background, blur_background, cover
from carvana_lessons.prediction.contact_shadow import contact_shadow, under
from carvana_lessons.prediction.crop import car_box
from carvana_lessons.prediction.cutout import (
    RADIUS,
    composite,
    estimate_foreground,
    feather,
    photo_logits,
    remove_small_regions,
    to_rgba,
)
from carvana_lessons.prediction.inference import Size
from carvana_lessons.prediction.refine import refined_logits

VISIBLE = 0.02  # of a shadow: what is fainter is no reason to crop less


def cut_out(
    model: nn.Module | Sequence[nn.Module],
    photo: np.ndarray,
    size: Size = None,
    radius: float = RADIUS,
    *,
    refined: bool = True,
    tidied: bool = True,
    background: Background | None = None,
    shadow: bool = False,
    margin: float | None = None,
    precision: str | None = None,
) -> np.ndarray:
    """Cut the car out of one photo.

    Args:
        model: (B, 3, h, w) in [0, 1] → logits (B, K, h, w), or several whose logits are averaged.
        photo: (H, W, 3) uint8, RGB.
        size: side, or (height, width), of the network's input; None: the size that it was trained for.
        radius: of the soft edge, in pixels of the photo.
        refined: look at the edge once more, in more pixels, and at the mirrored photo; see
            `carvana_lessons.prediction.refine`.
        tidied: remove specks beside the car and fill small holes in it.
        background: an RGB colour, a picture (h, w, 3) uint8 that is scaled and cropped to cover, or "blur" for the
            photo's own out of focus; None for a transparent one.
        shadow: draw a soft one where the car touches the ground.
        margin: crop to the car, with a margin in per cent of its longer side; None keeps the whole photo.
        precision: as `car_logits`.

    Returns:
        (H, W, 4) uint8, RGBA: the car on a transparent background, black where it is fully transparent. With a
        background (H, W, 3) uint8. H and W are the photo's, or those of the crop.

    Raises:
        CarvanaError: if neither ``size`` nor the network says the input size, or for a margin below 0.

    Lesson:
        cut-out.
    """
    look = refined_logits if refined else photo_logits
    logits = look(model, photo, size, precision=precision)
    return from_logits(photo, logits, radius, tidied=tidied, background=background, shadow=shadow, margin=margin)


def from_logits(
    photo: np.ndarray,
    logits: Tensor | np.ndarray,
    radius: float = RADIUS,
    *,
    tidied: bool = True,
    background: Background | None = None,
    shadow: bool = False,
    margin: float | None = None,
) -> np.ndarray:
    """Cut the car out of one photo, when the network has answered.

    Args:
        photo: (H, W, 3) uint8, RGB.
        logits: as `carvana_lessons.prediction.cutout.feather` takes them, at the photo's size.
        radius: as `cut_out`.
        tidied: as `cut_out`.
        background: as `cut_out`.
        shadow: as `cut_out`.
        margin: as `cut_out`.

    Returns:
        as `cut_out`.

    Raises:
        CarvanaError: for a margin below 0.
        ValueError: if the sizes differ.

    Lesson:
        cut-out.
    """
    alpha = feather(remove_small_regions(logits) if tidied else logits, radius)
    clean = estimate_foreground(photo, alpha)
    shade = contact_shadow(alpha) if shadow else np.zeros_like(alpha)
    box = np.s_[:, :] if margin is None else car_box(np.maximum(alpha, shade > VISIBLE), margin)
    if background is None:
        rgba = to_rgba(clean, alpha, blank=True)[box]
        return under(rgba, shade[box]) if shadow else rgba
    if isinstance(background, str):
        behind = blur_background(photo, alpha)[box]
    elif isinstance(background, np.ndarray):
        behind = cover(background, alpha[box].shape)  # all of the picture is for what is shown
    else:
        behind = np.broadcast_to(np.array(background, np.uint8), clean[box].shape)
    if shadow:
        behind = (behind * (1 - shade[box][..., None]) + 0.5).astype(np.uint8)
    return composite(clean[box], alpha[box], behind)
