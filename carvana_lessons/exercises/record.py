"""Every check of a reader is noted, for `course.progress`."""

from carvana_lessons.course.marks import Mark, add_mark, are_kept
from carvana_lessons.exercises.base import AFTER_CHECK, NOT_ATTEMPTED, RIGHT, Exercise, Verdict
from carvana_lessons.exercises.chapters import CHAPTERS, chapter


def note(exercise: Exercise, verdict: Verdict) -> None:
    """Note what a check said, where marks are kept; an answer that was not attempted is none.

    Args:
        exercise: that was checked.
        verdict: on the answer.
    """
    if verdict.status == NOT_ATTEMPTED or not are_kept():
        return
    for found in map(chapter, CHAPTERS):
        exercises = list(found.exercises.values())
        for number, other in enumerate(exercises, start=1):
            if other is exercise:
                marks = [Mark(found.name, found.title, k, it.title) for k, it in enumerate(exercises, start=1)]
                add_mark(marks, number, verdict.status == RIGHT)


AFTER_CHECK.append(note)
