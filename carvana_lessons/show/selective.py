"""Risk–coverage curves: what is left of the error when the most doubtful masks are put aside."""

from collections.abc import Mapping, Sequence

from matplotlib import pyplot as plt

from carvana_lessons.show.figures import Picture, figure


def risk_coverage(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], alt: str) -> Picture:
    """Draw the curves of several orders of the same masks; the picture reads from right to left.

    Args:
        curves: by name, (coverage, risk) as `carvana_lessons.evaluation.selective.risk_coverage` gives them; the first
            is drawn boldest, and the others, the best and the random order for example, are dashed.
        alt: what is seen.

    Returns:
        the picture.

    Raises:
        ValueError: without an alt text.

    Lesson:
        11.
    """
    fig, axis = plt.subplots(figsize=(6, 3.2))
    for k, (name, (coverage, risk)) in enumerate(curves.items()):
        axis.plot(coverage, risk, lw=1.2 if k else 2.2, ls="--" if k else "-", label=name)
    axis.set(xlabel="coverage: share of the masks that nobody looks at", ylabel="risk: their mean 1 − Dice")
    axis.set(xlim=(0, 1), ylim=(0, None))
    axis.legend(loc="upper left")
    fig.tight_layout()
    return figure(fig, alt)
