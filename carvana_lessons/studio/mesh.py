"""Meshes: triangles with normals and texture coordinates, and how a grid of points becomes one."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Mesh:
    """Triangles of one or more parts, in car coordinates (x forward, y to the car's left, z up; metres).

    Attributes:
        points: (V, 3) float64.
        normals: (V, 3) float64, unit length.
        uv: (V, 2) float64 in [0, 1].
        faces: (F, 3) int32, counter-clockwise seen from outside.
        sheet: (F,) int32, the label map that uv points into.
    """

    points: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    sheet: np.ndarray

    def mirrored(self) -> "Mesh":
        """The same part on the car's other side (y → −y).

        Returns:
            another mesh.
        """
        flip = np.array([1.0, -1.0, 1.0])
        return Mesh(self.points * flip, self.normals * flip, self.uv, self.faces[:, ::-1].copy(), self.sheet)

    def moved(self, x: float, y: float, z: float) -> "Mesh":
        """The same part, shifted by metres.

        Args:
            x: metres forward.
            y: metres to the left.
            z: metres up.

        Returns:
            another mesh.
        """
        return Mesh(self.points + np.array([x, y, z]), self.normals, self.uv, self.faces, self.sheet)


def join(parts: list[Mesh]) -> Mesh:
    """Put parts together in the order given.

    Args:
        parts: one or more.

    Returns:
        one mesh.
    """
    starts = np.cumsum([0] + [len(part.points) for part in parts[:-1]])
    return Mesh(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.uv for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]).astype(np.int32),
        np.concatenate([part.sheet for part in parts]),
    )


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (…, 3) divided by their length; a zero vector points up.

    Args:
        vectors: (…, 3).

    Returns:
        (…, 3), of length 1.
    """
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    length = np.sqrt(x * x + y * y + z * z)
    safe = np.where(length > 1e-12, length, 1.0)
    return np.stack([x / safe, y / safe, np.where(length > 1e-12, z / safe, 1.0)], -1)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product of (…, 3) arrays, written out so that no library reorders it.

    Args:
        a: (…, 3).
        b: (…, 3).

    Returns:
        (…, 3).
    """
    return np.stack(
        [
            a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
            a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
            a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
        ],
        -1,
    )


def slope(grid: np.ndarray, axis: int, closed: bool = False) -> np.ndarray:
    """Central differences along an axis of a (R, C, 3) grid; one-sided at the ends unless closed.

    Args:
        grid: (R, C, 3) points.
        axis: 0 along a column, 1 along a row.
        closed: the first and the last along the axis are the same point.

    Returns:
        (R, C, 3).
    """
    if closed:
        return np.roll(grid, -1, axis) - np.roll(grid, 1, axis)
    grid = np.moveaxis(grid, axis, 0)
    ends = np.concatenate([grid[:1], grid, grid[-1:]])
    return np.moveaxis(ends[2:] - ends[:-2], 0, axis)


def from_grid(grid: np.ndarray, sheet: int, closed: bool = False, normals: np.ndarray | None = None) -> Mesh:
    """A grid of points becomes a mesh with smooth normals.

    Args:
        grid: (R, C, 3) points; the outside is where rows × columns point (right-handed).
        sheet: the label map of the part; u runs along the columns, v along the rows.
        closed: the first and last column hold the same points, and the normals run through.
        normals: (R, C, 3) if known better than from differences.

    Returns:
        the mesh.
    """
    # libm made these points: rounding hides its last bit. Draws have 6 decimals, so none of them lies on an edge of 7
    grid = np.round(grid, 7)
    rows, columns = grid.shape[:2]
    if normals is None:
        if closed:
            along = slope(grid[:, :-1], 1, True)
            along = np.concatenate([along, along[:, :1]], 1)
        else:
            along = slope(grid, 1)
        normals = unit(cross(slope(grid, 0), along))
        normals = np.round(normals, 6)
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, d, c], -1), np.stack([a, c, b], -1)])
    u, v = np.meshgrid(np.arange(columns) / (columns - 1), np.arange(rows) / (rows - 1))
    uv = np.stack([u, v], -1).reshape(-1, 2)
    return Mesh(grid.reshape(-1, 3), normals.reshape(-1, 3), uv, faces, np.full(len(faces), sheet, np.int32))


def box(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], sheet: int) -> Mesh:
    """A box between two corners, flat on all six sides.

    Args:
        x: from and to, in metres.
        y: from and to, in metres.
        z: from and to, in metres.
        sheet: the label map of the part.

    Returns:
        the mesh.
    """
    sides = []
    low, high = np.array([x[0], y[0], z[0]]), np.array([x[1], y[1], z[1]])
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for end in (0, 1):
            grid = np.zeros((2, 2, 3))
            grid[..., axis] = high[axis] if end else low[axis]
            across = [low[first], high[first]] if end else [high[first], low[first]]
            grid[..., first] = np.array(across)[:, None]
            grid[..., second] = np.array([low[second], high[second]])[None, :]
            sides.append(from_grid(grid, sheet))
    return join(sides)


def blob(radius: tuple[float, float, float], sheet: int, power: float = 2.6, steps: int = 14) -> Mesh:
    """A rounded lump: a superellipsoid with the given half axes, around the origin.

    Args:
        radius: half axes along x, y and z, in metres.
        sheet: the label map of the part.
        power: 2 for an ellipsoid; the higher, the boxier.
        steps: points along a half circle.

    Returns:
        the mesh.
    """
    theta = np.linspace(0, 2 * np.pi, 2 * steps + 1)
    phi = np.linspace(-np.pi / 2, np.pi / 2, steps)

    def rounded(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** (2 / power)

    ring = np.stack([rounded(np.cos(theta)), rounded(np.sin(theta))], -1)
    out = rounded(np.cos(phi)).clip(1e-3)
    grid = np.zeros((steps, 2 * steps + 1, 3))
    grid[..., 0] = radius[0] * out[:, None] * ring[None, :, 0]
    grid[..., 1] = radius[1] * out[:, None] * ring[None, :, 1]
    grid[..., 2] = radius[2] * rounded(np.sin(phi))[:, None]
    return from_grid(grid[::-1], sheet, closed=True)


def tube(path: np.ndarray, radius: float, sheet: int, sides: int = 8) -> Mesh:
    """A round bar along a path of (N, 3) points, open at its ends.

    Args:
        path: (N, 3) points, in metres.
        radius: of the bar, in metres.
        sheet: the label map of the part.
        sides: of its cross-section.

    Returns:
        the mesh.
    """
    ahead = unit(slope(path[None], 1)[0])
    helper = np.where(np.abs(ahead[:, 2:3]) > 0.9, np.array([[1.0, 0, 0]]), np.array([[0, 0, 1.0]]))
    side = unit(cross(ahead, helper))
    up = cross(side, ahead)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    grid = path[:, None] + radius * (
        np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    )
    return from_grid(grid, sheet, closed=True)
