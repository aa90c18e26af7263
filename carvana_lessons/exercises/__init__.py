"""Exercises that check themselves: one module a chapter; task, stub, check, hints and solution stand together."""

from carvana_lessons.exercises import appendix, ex01, ex02, ex03, ex04, ex05, ex06, ex07, ex08, ex09, ex10

__all__ = ["appendix", "ex01", "ex02", "ex03", "ex04", "ex05", "ex06", "ex07", "ex08", "ex09", "ex10"]
