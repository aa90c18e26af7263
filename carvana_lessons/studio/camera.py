"""The camera: where a point of the studio lands in the picture.

Studio coordinates: the turntable's centre is the origin, z points up, the camera stands on the x axis at ``distance``
and looks towards −x, so +y is to the right in the picture. Lengths in metres.
"""

from dataclasses import dataclass

import numpy as np

SNAP = 64  # vertices lie on a grid of 1/64 sample: the edge functions are then exact in integers


@dataclass(frozen=True)
class Camera:
    """A fixed camera.

    Attributes:
        distance: from the turntable's axis, m.
        height: above the floor, m.
        focal: focal length in picture widths.
        rise: how far the picture's centre lies below the horizon, in picture widths (a tilt, as slope of the axis).
        aside: shift of the axis to the right, in picture widths.
    """

    distance: float
    height: float
    focal: float
    rise: float
    aside: float = 0.0

    def axes(self) -> tuple[float, float]:
        """Cosine and sine of the downward tilt, from square roots alone.

        Returns:
            cosine and sine.
        """
        slope = self.rise / self.focal
        length = float(np.sqrt(1.0 + slope * slope))
        return 1.0 / length, slope / length

    def project(self, points: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Points to samples.

        Args:
            points: (V, 3) studio coordinates.
            width: of the sample grid.
            height: of the sample grid.

        Returns:
            (V, 2) int64 column and row in 1/64 samples; (V,) float64 nearness 1/depth, 1/m.
        """
        cosine, sine = self.axes()
        ahead = self.distance - points[:, 0]
        above = points[:, 2] - self.height
        depth = ahead * cosine - above * sine
        up = above * cosine + ahead * sine
        near = 1.0 / depth
        scale = self.focal * width
        column = width * 0.5 + scale * (points[:, 1] * near - self.aside / self.focal)
        row = height * 0.5 - scale * (up * near)
        return np.floor(np.stack([column, row], -1) * SNAP + 0.5).astype(np.int64), near

    def rays(self, column: np.ndarray, row: np.ndarray, width: int, height: int) -> np.ndarray:
        """Directions from the camera through sample positions, not normalised.

        Args:
            column: positions in samples, any one shape (…).
            row: as ``column``, of the same shape.
            width: of the sample grid.
            height: of the sample grid.

        Returns:
            (…, 3) float64; along them the depth grows by 1 m per unit.
        """
        cosine, sine = self.axes()
        scale = self.focal * width
        across = (column - width * 0.5) / scale + self.aside / self.focal
        up = (height * 0.5 - row) / scale
        x = -(cosine + up * sine)
        z = up * cosine - sine
        return np.stack([x, across, z], -1)
