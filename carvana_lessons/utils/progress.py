"""A progress bar that leaves nothing behind: not in a terminal, not in a notebook, not in the built page.

tqdm draws the bar. Its own form for notebooks (tqdm.auto) is not enough: it leaves a widget in the built page.
"""

import html
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tqdm.std import tqdm

from carvana_lessons.utils.console import print_anywhere


def in_notebook() -> bool:
    """Whether this Python is the kernel of a notebook (JupyterLab, Colab, nbmake)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


class _NotebookBar(tqdm):
    """tqdm's own text, redrawn in one output of the cell.

    tqdm's notebook bar is a widget: in a built page it loads its scripts from an external server, and its
    text bar goes to stderr, where warnings would drown in it.
    """

    _handle = None  # set late: tqdm's constructor may draw before ours has run

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        from IPython.display import HTML, display

        text = str(self) if msg is None else msg
        content = HTML(f"<pre style='margin:0;white-space:pre-wrap'>{html.escape(text)}</pre>" if text else "")
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)
        return True

    def clear(self, *args: Any, **kwargs: Any) -> None:
        pass  # there is no line of a terminal to wipe

    def close(self) -> None:
        if not self.disable:
            self.disable = True
            self._decr_instances(self)
            self.display("")


def bar(
    iterable: Iterable | None = None, total: int | None = None, desc: str = "", unit: str = "it", disable: bool = False
) -> tqdm:
    """tqdm, in the form that suits where it runs; used as an iterator or with ``update()`` and ``close()``.

    Args:
        iterable: what to walk through, or None to count by hand.
        total: number of steps.
        desc: what is being done, shown before the bar.
        unit: what one step is ("photo").
        disable: count unseen.

    Returns:
        the progress bar.
    """
    options = {"total": total, "desc": desc, "unit": unit, "disable": disable, "leave": False}
    print_anywhere()
    if in_notebook():
        # A bar of its own width, and room for the loss and the scores behind it: a text that is too long is wrapped.
        return _NotebookBar(iterable, ncols=200, bar_format="{l_bar}{bar:20}{r_bar}", mininterval=0.4, **options)
    pause = 0.1 if sys.stderr.isatty() else 15  # a log file gets a line now and then, not a thousand
    return tqdm(iterable, dynamic_ncols=True, mininterval=pause, **options)


class _Count:
    """How far a loop over trainings is; it holds for the cell alone in which it began."""

    def __init__(self, total: int) -> None:
        self.done, self.total, self.cell = 0, total, _cell()


_COUNTS: list[_Count] = []  # of the loops that run now, from the outermost to the innermost


def _cell() -> int | None:
    """The number of the notebook's cell that runs: a loop that an error ended must not count in the next one."""
    return sys.modules["IPython"].get_ipython().execution_count if in_notebook() else None


def count_runs(items: Iterable) -> Iterator:
    """Walk through what is trained one after the other: the bar of each training then says "run 2 of 6".

    Loops inside one another count together, as long as the inner one is equally long each time::

        for seed in count_runs(range(3)):
            for name in count_runs(["unet", "segnet"]):
                train_once(lesson, models.create(name), train, seed=seed)

    Args:
        items: what differs from run to run.

    Yields:
        each of them.

    Lesson:
        04.
    """
    everything = list(items)
    count = _Count(len(everything))
    _COUNTS.append(count)
    try:
        for count.done, item in enumerate(everything):
            yield item
    finally:
        _COUNTS.remove(count)


def which_run() -> str:
    """Which of how many trainings this is, by the loops of `count_runs` around it.

    Returns:
        "run 2 of 6, ", or nothing where there is one.
    """
    number, total, cell = 0, 1, _cell()
    for count in _COUNTS:
        if count.cell == cell:
            number, total = number * count.total + count.done, total * count.total
    return f"run {number + 1} of {total}, " if total > 1 else ""


class Live:
    """One output of a notebook's cell that is drawn again and again, and cleared in the end; nothing in a terminal.

    Args:
        seconds: that pass at least from one drawing to the next.
    """

    def __init__(self, seconds: float = 2.0) -> None:
        """Draw at most once in that many seconds, so that a page is not flooded."""
        self._seconds, self._last, self._handle = seconds, -float("inf"), None

    def update(self, render: Callable[[], str]) -> None:
        """Show the HTML that ``render`` returns; it is called only when it is time to draw.

        Args:
            render: makes the HTML.
        """
        if not in_notebook() or time.monotonic() - self._last < self._seconds:
            return
        from IPython.display import HTML, display  # ipywidgets.Output would leave a widget in the built page

        if self._handle is None:
            self._handle = display(HTML(render()), display_id=True)
        else:
            self._handle.update(HTML(render()))
        self._last = time.monotonic()

    def clear(self) -> None:
        """Leave an empty output."""
        if self._handle is not None:
            from IPython.display import HTML

            self._handle.update(HTML(""))
