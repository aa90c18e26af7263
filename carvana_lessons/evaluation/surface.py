"""How far the boundary of a mask is from the true one, in pixels: two scores that medicine judges outlines by.

Dice counts pixels of an area, and most of a car's area is easy. These two look at the outline alone.

Lesson:
    09.
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from carvana_lessons.evaluation.boundary import boundary_iou, inner_band

#: Pixels by which an outline may be off and still count as right: about what the true masks are off themselves.
TOLERANCE = 2.0
#: The columns of `boundary_scores`.
OUTLINE = ("boundary_iou", "hd95", "surface_dice")
_MANY = 50_000  # boundary pixels; from here on a map of distances is faster than a search for each of them


def surface_distances(prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every boundary pixel of one mask from the nearest boundary pixel of the other.

    A mask's boundary pixels are those of `inner_band` with width 1.

    Args:
        prediction: (H, W), boolean or in {0, 1}.
        target: the same shape and kind.

    Returns:
        (n,) and (m,) float64, in pixels: of the prediction's n boundary pixels, then of the target's m. Where the other
        mask is empty, each distance is the photo's diagonal.

    Raises:
        ValueError: if the shapes differ, or a value is neither 0 nor 1.

    Lesson:
        09.
    """
    one, other = np.asarray(prediction), np.asarray(target)
    if one.shape != other.shape:
        raise ValueError(f"Prediction {one.shape} and target {other.shape} differ in shape.")
    one, other = inner_band(one, 1), inner_band(other, 1)
    return _distances(one, other), _distances(other, one)


def hausdorff95(prediction: np.ndarray, target: np.ndarray) -> float:
    """95 % Hausdorff distance (HD95): all but 5 % of each outline are at most so far from the other.

    Args:
        prediction: (H, W), boolean or in {0, 1}.
        target: the same shape and kind.

    Returns:
        pixels, the larger one of the two directions; 0 where both masks are empty, the photo's diagonal where one is.

    Raises:
        ValueError: as `surface_distances`.

    Source:
        Huttenlocher et al. 1993, "Comparing images using the Hausdorff distance": the distance of a given rank; at 95 %
        and with this rule for empty masks as in Maier-Hein et al. 2024, "Metrics reloaded".

    Lesson:
        09.
    """
    return _hausdorff95(*surface_distances(prediction, target))


def surface_dice(prediction: np.ndarray, target: np.ndarray, tolerance: float = TOLERANCE) -> float:
    """Surface Dice, or normalized surface distance: the share of both outlines that is right within a tolerance.

    Args:
        prediction: (H, W), boolean or in {0, 1}.
        target: the same shape and kind.
        tolerance: in pixels, 0 or more.

    Returns:
        in [0, 1]; 1 where both masks are empty, 0 where one is.

    Raises:
        ValueError: as `surface_distances`, or for a negative tolerance.

    Source:
        Nikolov et al. 2021, "Clinically applicable segmentation of head and neck anatomy"; here boundary pixels are
        counted, there lengths of outline between pixels.

    Lesson:
        09.
    """
    if not tolerance >= 0:
        raise ValueError(f"A tolerance is 0 pixels or more, not {tolerance}.")
    return _surface_dice(*surface_distances(prediction, target), tolerance)


def boundary_scores(prediction: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """All scores of the outline of one mask.

    Args:
        prediction: (H, W), boolean or in {0, 1}.
        target: the same shape and kind.

    Returns:
        ``boundary_iou`` (`boundary_iou`), ``hd95`` (`hausdorff95`, pixels) and ``surface_dice`` (`surface_dice`), each
        with its default width.

    Raises:
        ValueError: as `surface_distances`.

    Lesson:
        09.
    """
    there, back = surface_distances(prediction, target)
    scores = boundary_iou(prediction, target), _hausdorff95(there, back), _surface_dice(there, back, TOLERANCE)
    return dict(zip(OUTLINE, scores, strict=True))


def _hausdorff95(there: np.ndarray, back: np.ndarray) -> float:
    return max((float(np.percentile(way, 95)) for way in (there, back) if len(way)), default=0.0)


def _surface_dice(there: np.ndarray, back: np.ndarray, tolerance: float) -> float:
    if not len(there) or not len(back):  # where only one is empty, nothing is right, however large the tolerance
        return float(len(there) == len(back))
    right = np.count_nonzero(there <= tolerance) + np.count_nonzero(back <= tolerance)
    return right / (len(there) + len(back))


def _distances(pixels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of every true pixel from the nearest one of the others; (H, W) bool each."""
    places, there = _places(pixels), _places(others)
    if not len(there):
        return np.full(len(places), float(np.hypot(*pixels.shape)))
    if max(len(places), len(there)) > _MANY:
        return ndimage.distance_transform_edt(~others)[pixels]
    return cKDTree(there, compact_nodes=False, balanced_tree=False, leafsize=8).query(places)[0]


def _places(pixels: np.ndarray) -> np.ndarray:
    """(n, 2) rows and columns of the true pixels, as `np.argwhere`, which takes ten times as long for so few."""
    return np.stack(np.divmod(np.flatnonzero(pixels), pixels.shape[1]), axis=1).astype(float)
