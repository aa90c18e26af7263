"""A car in one view: which sample shows which part, and how much light it sends to the camera."""

import numpy as np

from carvana_lessons.studio.light import DIFFUSE
from carvana_lessons.studio.mesh import Mesh
from carvana_lessons.studio.paint import Label
from carvana_lessons.studio.raster import cover, weights
from carvana_lessons.studio.session import Session


class Scene:
    """A car in one view, rasterised and shaded on a grid of samples.

    Args:
        now: the session.
        heading: cosine and sine of the car's heading.
        width: of the sample grid.
        height: of the sample grid.
    """

    def __init__(self, now: Session, heading: tuple[float, float], width: int, height: int):
        self.now, self.heading, self.width, self.height = now, heading, width, height

    def _stand(self, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
        """Points and normals of a mesh in studio coordinates."""
        c, s = self.heading
        x0, y0 = self.now.middle(self.heading)

        def turned(v: np.ndarray) -> np.ndarray:
            return np.stack([v[:, 0] * c - v[:, 1] * s, v[:, 0] * s + v[:, 1] * c, v[:, 2]], -1)

        return turned(mesh.points) + np.array([x0, y0, 0.0]), turned(mesh.normals)

    def see(self, mesh: Mesh, flip: bool = False) -> tuple[np.ndarray, ...]:
        """Samples that a mesh covers.

        Args:
            mesh: what is looked at.
            flip: see its mirror image in the floor.

        Returns:
            place (N,) flat sample numbers, normal (3, N), label (N,), direction to the eye (3, N), height (N,).
        """
        points, normals = self._stand(mesh)
        faces = mesh.faces
        if flip:  # mirrored in the floor
            points, normals, faces = points * [1, 1, -1], normals * [1, 1, -1], faces[:, ::-1]
        camera = self.now.camera
        corners, near = camera.project(points, self.width, self.height)
        hit = cover(corners, near, faces, self.width, self.height).ravel()
        place = np.flatnonzero(hit >= 0)
        return (place, *self._look(mesh, hit[place], place, corners, near, faces, normals))

    def _look(self, mesh, hit, place, corners, near, faces, normals) -> tuple[np.ndarray, ...]:
        """Interpolate what the corners of the triangles know to the samples; see ``see``."""
        share = weights(hit, place, corners, faces, self.width)
        three = faces[hit].T

        def blend(values: np.ndarray) -> np.ndarray:
            return values[three[0]] * share[0] + values[three[1]] * share[1] + values[three[2]] * share[2]

        normal = np.stack([blend(np.ascontiguousarray(normals[:, k], np.float32)) for k in range(3)])
        length = np.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2])
        normal = normal / np.maximum(length, np.float32(1e-6))
        u, v = (blend(np.ascontiguousarray(mesh.uv[:, k], np.float32)) for k in range(2))
        start, wide, tall = self.now.car.sheets[mesh.sheet[hit]].T
        column = np.minimum((u * wide).astype(np.int64), wide - 1)
        row = np.minimum((v * tall).astype(np.int64), tall - 1)
        label = self.now.car.labels[start + np.maximum(row, 0) * wide + np.maximum(column, 0)]
        depth = np.float32(1) / blend(near.astype(np.float32))
        camera = self.now.camera
        ray = camera.rays(place % self.width + 0.5, place // self.width + 0.5, self.width, self.height)
        ray = np.ascontiguousarray(ray.T, np.float32)
        z = np.float32(camera.height) + ray[2] * depth
        eye = -ray / np.sqrt(ray[0] * ray[0] + ray[1] * ray[1] + ray[2] * ray[2])
        return normal, label, eye, z

    def surface(self, normal: np.ndarray, label: np.ndarray, eye: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Light from surfaces: (N, 3) for normals (3, N), labels (N,), directions to the eye (3, N), heights (N,).

        Args:
            normal: (3, N) unit vectors.
            label: (N,) labels.
            eye: (3, N) unit vectors towards the camera.
            z: (N,) heights, in metres.

        Returns:
            (N, 3) float32 light.
        """
        paints, light = self.now.car.paints, self.now.light
        facing = normal[0] * eye[0] + normal[1] * eye[1] + normal[2] * eye[2]
        facing = np.clip(facing, np.float32(0.02), np.float32(1))
        ray = 2 * facing * normal - eye
        albedo, metal = paints.albedo[label], paints.metal[label]
        # near the floor less light arrives, least on what faces down
        low = np.clip(z * np.float32(1.1), 0, 1)
        open_ = 1 - (np.float32(0.5) - np.float32(0.5) * normal[2]) * (1 - low) * np.float32(0.85)
        received = light.find(normal, DIFFUSE) * open_[:, None]
        out = albedo * received
        satin = light.find(ray, 2)
        out += metal * (satin * np.float32(0.6) + received * np.float32(0.4)) * open_[:, None]
        graze = 1 - facing
        square = graze * graze
        shine = paints.mirror[label]
        shine = shine + (np.minimum(1.0 - shine, shine * 9)) * square * square * graze
        # a mirrored ray that goes down meets the car's own shadow, the nearer the darker
        reach = np.maximum(z, 0) / np.maximum(-ray[2], np.float32(0.02))
        own = np.where(
            ray[2] < 0, np.float32(0.15) + np.float32(0.85) * reach / (reach + np.float32(0.5)), np.float32(1)
        )
        mirrored = light.find(ray, paints.dull[label].astype(np.int32))
        out += mirrored * (shine * own)[:, None]
        return out

    def shade(self, background: np.ndarray, antialias: int) -> tuple[np.ndarray, np.ndarray]:
        """Light of the car's samples (N, 3), and their flat numbers (N,).

        Args:
            background: (H, W, 3) light behind the car, one value per pixel.
            antialias: samples along a side of a pixel.

        Returns:
            light (N, 3) float32; flat sample numbers (N,).
        """
        place, normal, label, eye, z = self.see(self.now.car.outer)
        out = self.surface(normal, label, eye, z)
        glass = np.flatnonzero((label == Label.GLASS) | (label == Label.TINTED))
        if len(glass):
            out[glass] += self._behind(place[glass], label[glass], background, antialias)
        return np.minimum(out, np.float32(1.6)), place

    def _behind(self, place: np.ndarray, label: np.ndarray, background: np.ndarray, antialias: int) -> np.ndarray:
        """Light that comes through the glass at some samples."""
        row, column = place // self.width // antialias, place % self.width // antialias
        seen = background[row, column]
        inner_place, normal, inner_label, eye, z = self.see(self.now.car.within)
        # only what lies behind the glass
        at = np.full(self.width * self.height, -1, np.int32)
        at[inner_place] = np.arange(len(inner_place), dtype=np.int32)
        which = at[place]
        some = np.flatnonzero(which >= 0)
        which = which[some]
        far = inner_label[which]
        pane = (far == Label.GLASS) | (far == Label.TINTED)
        dim = np.float32(self.now.car.paints.inside)
        walls = np.isin(far, [Label.PAINT, Label.BLACK, Label.TRIM, Label.CHROME, Label.CLOTH, Label.GAP])
        far = np.where(walls, Label.LINING, far).astype(np.uint8)
        out = self.surface(normal[:, which], far, eye[:, which], z[which] + np.float32(1))
        through = np.where(far == Label.TINTED, np.float32(0.16), np.float32(0.78))[:, None]
        out = np.where(pane[:, None], seen[some] * through, out * dim)
        seen = seen.copy()
        seen[some] = out
        clear = np.where(label == Label.TINTED, np.float32(0.13), np.float32(self.now.car.paints.clear))
        return seen * clear[:, None] * np.array([0.97, 1.0, 0.985], np.float32)
