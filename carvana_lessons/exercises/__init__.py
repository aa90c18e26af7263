"""A reader's answer becomes a sentence: that it is right, or what is wrong with it.

One module per chapter; task, stub, check, hints and solution of an exercise stand together.
"""

from carvana_lessons.exercises import appendix, ex01, ex02, ex03, ex04, ex05, ex06, ex07, ex08, ex09, ex10, ex11, ex12
from carvana_lessons.exercises import record as _record  # notes each check  # noqa: F401

__all__ = ["appendix", "ex01", "ex02", "ex03", "ex04", "ex05", "ex06", "ex07", "ex08", "ex09", "ex10", "ex11", "ex12"]
