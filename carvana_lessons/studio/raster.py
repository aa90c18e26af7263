"""Which triangle covers which sample: a rasteriser in numpy.

All triangles whose boxes have about the same size are tested at once; a sample keeps the nearest one. Edge functions
are integers and the depth key holds the triangle's number, so the answer is the same on every machine.
"""

import numpy as np

from carvana_lessons.studio.camera import SNAP

NONE = np.int64(2**62)
SMALLEST, BATCH = 2, 400_000  # boxes below 2 samples share one size; candidates tested at a time


def cover(corners: np.ndarray, near: np.ndarray, faces: np.ndarray, width: int, height: int) -> np.ndarray:
    """Find the nearest triangle under every sample.

    Args:
        corners: (V, 2) int64 column and row in 1/64 samples.
        near: (V,) float64, 1/depth.
        faces: (F, 3) triangles; those that turn their back are left out (pass them reversed to see them).
        width: of the sample grid.
        height: of the sample grid.

    Returns:
        (height, width) int32, the row of ``faces`` that covers the sample's centre, −1 where none does.
    """
    key = np.full(width * height, NONE, np.int64)
    a, b, c = (corners[faces[:, k]] for k in range(3))
    twice = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    low = np.minimum(np.minimum(a, b), c)
    high = np.maximum(np.maximum(a, b), c)
    # a sample's centre lies at (column + 1/2); the first and last centre inside the box:
    first = (low + (SNAP // 2 - 1)) // SNAP
    last = (high - SNAP // 2) // SNAP
    first = np.maximum(first, 0)
    last = np.minimum(last, np.array([width - 1, height - 1]))
    size = last - first + 1
    keep = np.flatnonzero((twice < 0) & (size[:, 0] > 0) & (size[:, 1] > 0))  # rows grow downwards: front is negative
    if len(keep) == 0:
        return np.full((height, width), -1, np.int32)
    size = size[keep]
    step = np.ceil(np.log2(np.maximum(size, SMALLEST) - 0.5)).astype(np.int64)  # box sides as powers of two
    kind = step[:, 0] * 32 + step[:, 1]
    for one in np.unique(kind):
        chosen = keep[kind == one]
        wide, tall = 1 << int(one // 32), 1 << int(one % 32)
        batch = max(1, BATCH // (wide * tall))
        for start in range(0, len(chosen), batch):
            _test(key, chosen[start : start + batch], a, b, c, twice, first, near, faces, wide, tall, width, height)
    covered = key < NONE
    out = np.where(covered, key & np.int64((1 << 24) - 1), -1)
    return out.astype(np.int32).reshape(height, width)


def _test(key, which, a, b, c, twice, first, near, faces, wide, tall, width, height) -> None:
    """Test boxes of one size, ``wide × tall`` samples, and lower the depth keys of the samples that are inside."""
    a, b, c, first = a[which], b[which], c[which], first[which]
    column = np.arange(wide, dtype=np.int64)
    row = np.arange(tall, dtype=np.int64)
    # positions relative to corner a, in 1/64 samples: small numbers, int32 where they fit
    kind = np.int32 if max(wide, tall) <= 256 else np.int64
    x = ((first[:, :1] + column) * SNAP + SNAP // 2 - a[:, :1]).astype(kind)  # (n, wide)
    y = ((first[:, 1:] + row) * SNAP + SNAP // 2 - a[:, 1:]).astype(kind)  # (n, tall)
    ab, ac = (b - a).astype(kind), (c - a).astype(kind)
    # minus the areas opposite to c and b: both, and the rest, are ≥ 0 inside
    at_c = (ab[:, 1:2] * x)[:, None, :] - (ab[:, 0:1] * y)[:, :, None]
    at_b = (ac[:, 0:1] * y)[:, :, None] - (ac[:, 1:2] * x)[:, None, :]
    total = (-twice[which]).astype(kind)[:, None, None]
    inside = (at_c >= 0) & (at_b >= 0) & (at_c + at_b <= total)
    inside &= (first[:, :1] + column < width)[:, None, :] & (first[:, 1:] + row < height)[:, :, None]
    n, r, q = np.nonzero(inside)
    if len(n) == 0:
        return
    corner = near[faces[which]]
    share = 1.0 / (-twice[which]).astype(np.float64)
    slope_b, slope_c = (corner[:, 1] - corner[:, 0]) * share, (corner[:, 2] - corner[:, 0]) * share
    depth = corner[n, 0] + slope_b[n] * at_b[n, r, q] + slope_c[n] * at_c[n, r, q]
    level = ((4.0 - depth) * 2.0**34).astype(np.int64)  # nearer means smaller
    place = (first[n, 1] + r) * width + first[n, 0] + q
    np.minimum.at(key, place, (level << 24) | which[n])


def weights(hit: np.ndarray, place: np.ndarray, corners: np.ndarray, faces: np.ndarray, width: int) -> np.ndarray:
    """Barycentric weights of samples in their triangles.

    Args:
        hit: (N,) rows of ``faces``.
        place: (N,) flat sample numbers.
        corners: (V, 2) int64, as `cover` takes them.
        faces: (F, 3) int32, as `cover` takes them.
        width: of the sample grid.

    Returns:
        (3, N) float32, the shares of the three corners; they add up to 1.
    """
    row, column = place // width, place % width
    a, b, c = (corners[faces[hit, k]] for k in range(3))
    x = column * SNAP + SNAP // 2 - a[:, 0]
    y = row * SNAP + SNAP // 2 - a[:, 1]
    ab, ac = b - a, c - a
    twice = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    at_c = (ab[:, 0] * y - ab[:, 1] * x) / twice
    at_b = (ac[:, 1] * x - ac[:, 0] * y) / twice
    return np.stack([1.0 - at_b - at_c, at_b, at_c]).astype(np.float32)
