"""Photos that are the same picture, though their files differ: saved again, resized, a little brighter.

A photo is turned into a thousand marks: where it gets clearly brighter from one pixel of a tiny copy to the next, and
as many where it gets darker. They outlive another compression and another size. The share of marks that only one of two
photos has, of those that either has, says how different they are: 0 for the same marks, 1 for none in common.

Where to draw the line was measured on 1,536 real photos of 96 cars in one studio, and on 192 of them saved again. Two
views of one car differ by 0.26 or more, photos of two cars by 0.25 or more. A photo saved as JPEG of quality 60
differs from itself by 0.09 at most (0.05 in the median), resized by 3 % by 0.10 (0.06), to a third by 0.12 (0.08), a
tenth brighter by 0.11 (0.07). In 98 drawn photos, of 240 and 480 pixels, neighbouring views differ by 0.26 or more,
and photos saved again by 0.15 at most. The plain hash, which marks every difference, fails on these: in the even
backdrop of a studio it marks noise, and a photo saved again was as far from itself as from the next view. A photo that
is cropped by 1 % differs by 0.24 in the median (0.31 at most), and most of those are missed.

Source:
    the difference hash, Krawetz 2013, https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SIDE = 32  # of the tiny copy: SIDE × SIDE marks for brighter, and as many for darker
STEP = 3  # grey levels of 255; what differs by no more is noise
NEAR = 0.2  # of the marks that only one of two photos has
FEW = 8  # marks: an empty picture is like every other one
BLOCK = 1024  # photos that are compared with all others at once


def difference_hash(image: Image.Image) -> np.ndarray:
    """The marks of a photo.

    Args:
        image: of any mode and size.

    Returns:
        (2 × SIDE²,) bool, row by row: whether the next pixel to the right is brighter; then, whether it is darker.

    Source:
        Krawetz 2013; the threshold STEP is ours.

    Lesson:
        11.
    """
    small = np.asarray(image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX)).astype(np.int16)
    step = small[:, 1:] - small[:, :-1]
    return np.concatenate([step > STEP, step < -STEP]).ravel()


def near_pairs(hashes: np.ndarray, most: float = NEAR) -> np.ndarray:
    """All pairs of photos whose marks hardly differ.

    Args:
        hashes: (N, marks) bool.
        most: share of the marks that may differ, of those that either photo has.

    Returns:
        (pairs, 2) int: the first photo before the second.

    Lesson:
        11.
    """
    marks = hashes.astype(np.float32)
    counts, found = marks.sum(axis=1), [np.empty((0, 2), int)]
    for begin in range(0, len(marks), BLOCK):
        # Marks in common are a product, so a matrix product counts those of all pairs: 5,000 photos in seconds.
        common = marks[begin : begin + BLOCK] @ marks[begin:].T
        either = counts[begin : begin + BLOCK, None] + counts[None, begin:] - common
        i, j = np.nonzero((either - common <= most * either) & (either >= FEW))
        found.append(np.stack([i[i < j], j[i < j]], axis=1) + begin)
    return np.concatenate(found)


def clusters(count: int, pairs: np.ndarray) -> list[list[int]]:
    """Photos that are connected by pairs, in groups of two or more.

    Args:
        count: photos.
        pairs: (pairs, 2) int: two photos each.

    Returns:
        the groups, each in the order of its photos.

    Lesson:
        11.
    """
    if not len(pairs):
        return []
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    order = np.argsort(labels, kind="stable")
    cuts = [0, *(np.flatnonzero(np.diff(labels[order])) + 1).tolist(), count]
    return sorted(order[a:b].tolist() for a, b in pairwise(cuts) if b - a > 1)


def exact_groups(digests: Sequence[str]) -> list[list[int]]:
    """Files whose bytes are the same.

    Args:
        digests: of the files.

    Returns:
        groups of two or more positions.

    Lesson:
        11.
    """
    where: dict[str, list[int]] = {}
    for position, digest in enumerate(digests):
        where.setdefault(digest, []).append(position)
    return [group for group in where.values() if len(group) > 1]
