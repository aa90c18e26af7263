"""Photos that are the same picture, though their files differ: saved again, resized, a little brighter.

A photo is turned into a thousand bits: where it gets brighter from one pixel of a tiny copy to the next. They
outlive another compression and another size; two photos whose bits hardly differ are one picture.

Where to draw the line was measured on 1,536 real photos of 96 cars in one studio, and on 192 of them saved again. With
32×32 bits two views of one car differ in 116 bits or more, photos of two cars in 98 or more. A photo saved as JPEG of
quality 60 differs from itself in 71 at most (41 in the median), resized by 3 % in 39 (25), to a third in 83 (54), a
tenth brighter in 94 (42). With 16×16 bits two cars come as near as 10 bits and a photo saved again as far as 18: too coarse
for photos before one backdrop. A photo that is cropped by 1 % differs in up to 141 bits, and half of those are missed.

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

SIDE = 32  # of the tiny copy: SIDE × SIDE bits
NEAR = 90  # bits of the 1,024 that may differ
BLOCK = 1024  # photos that are compared with all others at once


def difference_hash(image: Image.Image) -> np.ndarray:
    """The bits of a photo.

    Args:
        image: of any mode and size; a JPEG that is opened for this alone may be drafted small before.

    Returns:
        (SIDE²,) bool, row by row: whether the next pixel to the right is brighter.

    Source:
        Krawetz 2013.

    Lesson:
        01.
    """
    small = np.asarray(image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX))
    return (small[:, 1:] > small[:, :-1]).ravel()


def near_pairs(hashes: np.ndarray, most: int = NEAR) -> np.ndarray:
    """All pairs of photos whose bits differ in a few places.

    Args:
        hashes: (N, bits) bool.
        most: bits that may differ.

    Returns:
        (pairs, 3) int: two photos, the first before the second, and how many bits differ.

    Lesson:
        01.
    """
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    bits, found = signs.shape[1], [np.empty((0, 3), int)]
    for begin in range(0, len(signs), BLOCK):
        # Equal bits less unequal ones is a product of signs, so a matrix product counts all: 5,000 photos in a second.
        product = signs[begin : begin + BLOCK] @ signs[begin:].T
        i, j = np.nonzero(product >= bits - 2 * most)
        i, j, differ = i[i < j], j[i < j], ((bits - product[i, j]) / 2)[i < j]
        found.append(np.stack([i + begin, j + begin, differ.astype(int)], axis=1))
    return np.concatenate(found)


def clusters(count: int, pairs: np.ndarray) -> list[list[int]]:
    """Photos that are connected by pairs, in groups of two or more.

    Args:
        count: photos.
        pairs: (pairs, 2 or more) int: two photos each.

    Returns:
        the groups, each in the order of its photos.

    Lesson:
        01.
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
        01.
    """
    where: dict[str, list[int]] = {}
    for position, digest in enumerate(digests):
        where.setdefault(digest, []).append(position)
    return [group for group in where.values() if len(group) > 1]
