"""Materials: labels, and how each of them reflects light."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from carvana_lessons.studio.draw import Draw


class Label(IntEnum):
    """What a point of the car is; the label maps hold these numbers."""

    PAINT = 0
    SECOND = 1  # the other paint of a two-tone car
    GLASS = 2
    TINTED = 3
    BLACK = 4  # glossy black: pillars, panoramic roofs
    TRIM = 5  # unpainted plastic
    CHROME = 6
    GAP = 7
    LAMP = 8
    LENS = 9  # the dark inside of a headlamp
    TAIL = 10
    AMBER = 11
    GRILLE = 12
    PLATE = 13
    PLATE_MARK = 14
    TYRE = 15
    RIM = 16
    BRAKE = 17  # what shows between the spokes
    UNDER = 18
    SEAT = 19
    DASH = 20
    LINING = 21
    CLOTH = 22
    HANDLE = 23
    REVERSE = 24  # the white part of a tail lamp
    STRIPE = 25


@dataclass(frozen=True)
class Paints:
    """One car's materials as tables, one row per label.

    Attributes:
        albedo: (N, 3) float32 diffuse reflectance.
        mirror: (N,) float32 reflectance head-on of the clear coat.
        metal: (N, 3) float32 tint of the broad metallic sheen.
        dull: (N,) int32, 0 sharp … 2 blurred reflections.
        name: of the colour, for metadata.csv.
        clear: share of light that a window lets through.
        inside: share of the hall's light that reaches the seats.
    """

    albedo: np.ndarray
    mirror: np.ndarray
    metal: np.ndarray
    dull: np.ndarray
    name: str
    clear: float
    inside: float


# name, weight, lowest and highest linear reflectance (r, g, b), metallic
_COLOURS = [
    ("white", 31, (0.72, 0.72, 0.70), (0.86, 0.86, 0.86), False),
    ("silver", 16, (0.32, 0.33, 0.34), (0.60, 0.61, 0.62), True),
    ("grey", 14, (0.06, 0.06, 0.065), (0.20, 0.20, 0.21), True),
    ("black", 17, (0.004, 0.004, 0.005), (0.018, 0.018, 0.02), False),
    ("red", 9, (0.22, 0.008, 0.01), (0.48, 0.03, 0.035), False),
    ("maroon", 2, (0.07, 0.006, 0.010), (0.13, 0.014, 0.02), True),
    ("blue", 6, (0.010, 0.035, 0.14), (0.03, 0.11, 0.42), True),
    ("pale blue", 2, (0.22, 0.33, 0.44), (0.38, 0.52, 0.66), True),
    ("green", 2, (0.018, 0.035, 0.016), (0.06, 0.12, 0.05), True),
    ("beige", 4, (0.34, 0.30, 0.24), (0.50, 0.45, 0.37), True),
    ("brown", 2, (0.045, 0.026, 0.018), (0.12, 0.075, 0.05), True),
    ("orange", 1, (0.50, 0.12, 0.01), (0.62, 0.20, 0.03), False),
    ("yellow", 1, (0.60, 0.42, 0.03), (0.72, 0.54, 0.08), False),
]


def _colour(draw: Draw, mark: float | None = None, without: str = "") -> tuple[str, np.ndarray, bool]:
    """A colour's name, its reflectance (3,) and whether it is metallic."""
    choices = [colour for colour in _COLOURS if colour[0] != without]
    name, _, low, high, metallic = draw.weighted(choices, [colour[1] for colour in choices], mark)
    share, warm = draw.unit(), draw.about(0.0, 0.03)
    value = np.array(low) + (np.array(high) - np.array(low)) * share
    return name, value * np.array([1 + warm, 1.0, 1 - warm]), metallic


def draw_paints(draw: Draw, two_tone: bool, mark: float) -> Paints:
    """Draw the materials of one car; the mark says which colour (see ``turn``).

    Args:
        draw: where the draws come from.
        two_tone: whether the roof may have another colour.
        mark: as `turn` gives it.

    Returns:
        the materials.
    """
    count = len(Label)
    albedo = np.zeros((count, 3))
    mirror = np.full(count, 0.04)
    metal = np.zeros((count, 3))
    dull = np.zeros(count, np.int32)
    name, paint, metallic = _colour(draw, mark)
    second_name, second, second_metallic = _colour(draw, without=name)

    def put(label: Label, value, shine: float, blur: int = 1, sheen=0.0) -> None:
        albedo[label], mirror[label], dull[label], metal[label] = value, shine, blur, sheen

    for label, value, flakes in ((Label.PAINT, paint, metallic), (Label.SECOND, second, second_metallic)):
        put(label, value * (0.62 if flakes else 1.0), 0.036, 0, value * 0.55 if flakes else 0.0)
    grey = draw.between(0.012, 0.05)
    put(Label.GLASS, 0.006, 0.08, 0)  # a pane mirrors on both its sides
    put(Label.TINTED, 0.004, 0.07, 0)
    put(Label.BLACK, 0.006, 0.036, 0)
    put(Label.TRIM, grey, 0.025, 2)
    put(Label.CHROME, 0.03, 0.62, 0)
    put(Label.GAP, paint * 0.12 + 0.003, 0.0, 2)
    put(Label.LAMP, 0.30, 0.22, 0, 0.10)
    put(Label.LENS, 0.05, 0.14, 0, 0.05)
    put(Label.TAIL, np.array([0.34, 0.012, 0.014]) * draw.between(0.7, 1.15), 0.06, 0)
    put(Label.AMBER, (0.55, 0.17, 0.02), 0.08, 0)
    put(Label.GRILLE, draw.between(0.006, 0.02), 0.03, 2)
    put(Label.PLATE, (0.80, 0.83, 0.86), 0.03, 2)
    put(Label.PLATE_MARK, (0.14, 0.42, 0.72), 0.03, 2)
    put(Label.TYRE, draw.between(0.010, 0.022), 0.012, 2)
    rim = draw.weighted([0.62, 0.46, 0.28, 0.06, 0.012], [36, 34, 12, 6, 12])
    put(Label.RIM, rim * 0.55, 0.10 if rim > 0.1 else 0.05, 1, rim * 0.7)
    put(Label.BRAKE, draw.between(0.012, 0.06), 0.03, 2)
    put(Label.UNDER, 0.004, 0.0, 2)
    seat = draw.weighted([0.012, 0.05, 0.16, 0.30], [50, 18, 16, 16])
    put(Label.SEAT, np.array([1.06, 1.0, 0.90]) * seat, 0.02, 2)
    put(Label.DASH, np.array([1.04, 1.0, 0.94]) * min(seat * 0.6, 0.08), 0.015, 2)
    put(Label.LINING, np.array([1.03, 1.0, 0.96]) * draw.between(0.06, 0.30), 0.0, 2)
    cloth = draw.weighted([0.008, 0.014, 0.06, 0.20], [45, 30, 15, 10])
    put(Label.CLOTH, np.array([1.05, 1.0, 0.92]) * cloth, 0.0, 2)
    put(Label.HANDLE, albedo[Label.PAINT] * 0.8, 0.10, 1, metal[Label.PAINT])
    put(Label.REVERSE, 0.55, 0.08, 0)
    put(Label.STRIPE, draw.pick([0.01, 0.012, 0.6]), 0.05, 0)
    if two_tone:
        name = f"{name}/{second_name}"
    tables = [part.astype(np.float32) for part in (albedo, mirror, metal)]
    return Paints(*tables, dull, name, draw.between(0.50, 0.80), draw.between(0.45, 0.95))
