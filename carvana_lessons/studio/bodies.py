"""The bodies: what a sedan, a hatch, … measures, and how far one car may differ from the next."""

from dataclasses import dataclass

from carvana_lessons.studio.draw import Draw

# Of each body: how many of a hundred cars have it.
SHARES = {
    "sedan": 32, "suv": 27, "hatch": 9, "coupe": 10, "convertible": 7, "wagon": 6, "pickup": 5, "van": 4,
}  # fmt: skip

# Middle and spread of every measure, metres. Positions along the car are shares of its length, from the nose:
# cowl (foot of the windscreen), header (its top), rear header, rear foot.
_MEASURES = {
    # length, width, height, wheelbase, clearance, wheel, cowl, header
    "sedan": [(4.8, .28), (1.84, .05), (1.45, .04), (2.79, .13), (.17, .03), (.33, .022), (.265, .02), (.425, .02)],
    "hatch": [(4.05, .32), (1.74, .06), (1.52, .06), (2.54, .14), (.17, .03), (.312, .022), (.235, .02), (.385, .025)],
    "wagon": [(4.8, .18), (1.84, .05), (1.5, .05), (2.78, .1), (.18, .03), (.332, .02), (.255, .02), (.405, .02)],
    "suv": [(4.68, .36), (1.9, .08), (1.7, .1), (2.74, .18), (.23, .04), (.368, .025), (.245, .02), (.38, .025)],
    "coupe": [(4.58, .28), (1.84, .05), (1.38, .04), (2.7, .13), (.15, .03), (.335, .02), (.29, .025), (.45, .02)],
    "convertible": [(4.4, .36), (1.8, .06), (1.38, .05), (2.6, .14), (.15, .03), (.325, .02), (.285, .025), (.43, .02)],
    "pickup": [(5.65, .3), (1.97, .06), (1.86, .08), (3.5, .22), (.28, .05), (.395, .025), (.235, .015), (.325, .015)],
    "van": [(5.02, .2), (1.98, .04), (1.76, .06), (3.02, .08), (.19, .03), (.345, .015), (.185, .02), (.345, .03)],
}  # fmt: skip
_LINES = {
    # rear header, rear foot, nose, cowl height, belt ahead, belt behind, tail, overhang
    "sedan": [(.7, .03), (.865, .02), (.7, .04), (.925, .03), (.93, .02), (1, .03), (1, .04), (.195, .012)],
    "hatch": [(.88, .03), (.975, .01), (.75, .05), (.98, .04), (.95, .03), (1.02, .04), (1, .04), (.19, .015)],
    "wagon": [(.88, .04), (.975, .01), (.71, .04), (.935, .03), (.94, .02), (1, .03), (.99, .04), (.195, .012)],
    "suv": [(.87, .05), (.975, .012), (.92, .08), (1.11, .05), (1.1, .05), (1.17, .06), (1.14, .05), (.19, .015)],
    "coupe": [(.66, .03), (.885, .03), (.68, .04), (.89, .03), (.9, .02), (.97, .03), (.97, .04), (.195, .015)],
    "convertible": [(.66, .02), (.815, .02), (.69, .04), (.89, .03), (.89, .02), (.93, .03), (.95, .03), (.185, .015)],
    "pickup": [(.575, .03), (.61, .02), (1.08, .07), (1.22, .05), (1.19, .05), (1.2, .05), (1.23, .05), (.165, .01)],
    "van": [(.9, .02), (.978, .008), (.86, .05), (1.06, .04), (1.06, .03), (1.1, .03), (1.08, .03), (.19, .01)],
}  # fmt: skip
# How the corners look: bluntness of the nose (0 swept back … 1 upright), width of the roof as share of the car's.
_CORNERS = {
    "sedan": ((.35, .25), (.67, .02)), "hatch": ((.40, .3), (.70, .02)), "wagon": ((.35, .25), (.69, .02)),
    "suv": ((.65, .3), (.73, .03)), "coupe": ((.25, .25), (.63, .02)), "convertible": ((.3, .25), (.64, .03)),
    "pickup": ((.95, .05), (.76, .02)), "van": ((.45, .2), (.76, .02)),
}  # fmt: skip


@dataclass(frozen=True)
class Body:
    """The measures of one car, in metres where not said otherwise; x is 0 at the middle and points to the nose.

    Attributes:
        kind: one of ``SHARES``.
        length: of the whole car.
        width: of the whole car.
        height: of the whole car.
        clearance: of the sill above the ground.
        wheel: radius of a wheel.
        cowl: x of the windscreen's foot.
        header: x of the windscreen's top.
        rear_header: x of the rear window's top.
        rear_foot: x of the rear window's foot.
        nose: height of the shoulder line at the nose.
        cowl_height: its height at the cowl.
        belt: its height at the front end of the side windows.
        belt_rear: its height at their rear end.
        tail: its height at the tail.
        front_axle: x of the front wheels.
        rear_axle: x of the rear wheels.
        track: y of the wheels' outer side.
        blunt: of the nose, 0 swept back … 1 upright.
        roof_width: of the roof, as share of the width.
        boxy: 0 round … 1 angular.
        arch: gap between a wheel and its arch.
        bow: how far nose and tail curve back from the middle to the sides.
        crease: height of the flank's line as share of the flank, and its depth as share of the half width.
    """

    kind: str
    length: float
    width: float
    height: float
    clearance: float
    wheel: float
    cowl: float
    header: float
    rear_header: float
    rear_foot: float
    nose: float
    cowl_height: float
    belt: float
    belt_rear: float
    tail: float
    front_axle: float
    rear_axle: float
    track: float
    blunt: float
    roof_width: float
    boxy: float
    arch: float
    bow: float
    crease: tuple[float, float]

    @property
    def half(self) -> float:
        """Half the length, m."""
        return self.length / 2

    @property
    def upright_tail(self) -> bool:
        """True where the rear window stands at the tail: no boot, no bed."""
        return self.kind in ("hatch", "wagon", "suv", "van")


def draw_body(kind: str, draw: Draw) -> Body:
    """Draw one car of a kind.

    Args:
        kind: one of ``SHARES``.
        draw: where the draws come from.

    Returns:
        the measures.
    """
    size = draw.about(0.0, 1.0)  # a long car is also wide and stands on large wheels
    length, width, height, base, clearance, wheel, cowl, header = (
        draw.about(middle, spread) for middle, spread in _MEASURES[kind]
    )
    spreads = [spread for _, spread in _MEASURES[kind]]
    length += size * spreads[0] * 0.7
    width += size * spreads[1] * 0.6
    base += size * spreads[3] * 0.7
    wheel += size * spreads[5] * 0.5
    rear_header, rear_foot, nose, cowl_height, belt, belt_rear, tail, overhang = (
        draw.about(middle, spread) for middle, spread in _LINES[kind]
    )
    (blunt, blunt_spread), (roof, roof_spread) = _CORNERS[kind]
    boxy = draw.between(0.0, 1.0) if kind in ("suv", "pickup") else draw.between(0.0, 0.5)
    if kind == "suv" and boxy > 0.75:  # an off-roader: upright screens and a flat roof
        cowl, header, rear_header, roof = cowl + 0.03, header - 0.015, 0.945, roof + 0.04
    if kind in ("sedan", "coupe") and draw.chance(0.25):  # a fastback
        rear_header, rear_foot = rear_header - 0.03, min(rear_foot + 0.035, 0.93)
    half = length / 2
    front_axle = half - overhang * length
    rise = (height - 1.5) * 0.25 if kind in ("suv", "van", "hatch") else 0.0  # tall cars have tall doors
    return Body(
        kind=kind, length=length, width=width, height=height, clearance=clearance, wheel=wheel,
        cowl=half - cowl * length, header=half - header * length,
        rear_header=half - rear_header * length, rear_foot=half - rear_foot * length,
        nose=nose + rise * 0.5, cowl_height=cowl_height + rise * 0.5,
        belt=belt + rise * 0.4, belt_rear=belt_rear + rise * 0.4, tail=tail + rise * 0.3,
        front_axle=front_axle, rear_axle=front_axle - base, track=width / 2 - draw.between(0.03, 0.08),
        blunt=min(max(draw.about(blunt, blunt_spread), 0.0), 1.0), roof_width=draw.about(roof, roof_spread), boxy=boxy,
        arch=draw.between(0.045, 0.075) + (0.03 if kind in ("pickup", "suv") else 0.0), bow=draw.between(0.10, 0.22),
        crease=(draw.between(0.52, 0.84), draw.between(0.0, 0.016)),
    )  # fmt: skip
