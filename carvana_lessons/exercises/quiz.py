"""Multiple-choice questions: in a page, JupyterLab and Colab, with mouse or keyboard, without a kernel or a server."""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass

from carvana_lessons.utils.keys import OWN_KEYS


@dataclass(frozen=True)
class Choice:
    """One answer to choose.

    Attributes:
        text: of the answer.
        why: what is right or wrong about it, shown when it is chosen.
        right: whether it is the right one.
    """

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with its choices, exactly one of them right.

    Attributes:
        text: of the question.
        choices: two or more.

    Raises:
        ValueError: if there are not at least two choices and one right one.
    """

    text: str
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        if len(self.choices) < 2 or sum(choice.right for choice in self.choices) != 1:
            raise ValueError(f"{self.text!r} needs two choices or more, exactly one of them right.")


@dataclass(frozen=True)
class Quiz:
    """Two to four questions at the end of a chapter; text between backticks becomes code.

    Attributes:
        questions: in their order.
    """

    questions: tuple[Question, ...]

    def _repr_html_(self) -> str:
        return f'<div class="quiz">{"".join(_question(k + 1, q) for k, q in enumerate(self.questions))}</div>'

    def __repr__(self) -> str:
        """The same as plain text, without the answers."""
        lines = []
        for k, question in enumerate(self.questions):
            lines.append(f"{k + 1}. {question.text}")
            lines += [f"   ( ) {choice.text}" for choice in question.choices]
        return "\n".join(lines)


def _question(number: int, question: Question) -> str:
    # One attribute instead of a script, as in the flipbook: it runs wherever the HTML is shown.
    tell = (
        "const f=this.closest('fieldset');"
        "f.querySelectorAll('[data-why]').forEach(p=>{p.hidden=p.dataset.why!==this.value});"
    )
    # Radio buttons of two questions on a page must not hang together.
    group = f"quiz-{hashlib.blake2b(question.text.encode(), digest_size=6).hexdigest()}"
    rows = []
    for k, choice in enumerate(question.choices):
        mark = "✓ Right." if choice.right else "✗ Not quite."
        rows.append(
            '<div style="margin:.35em 0"><label style="display:flex;gap:.6em;align-items:baseline;cursor:pointer">'
            f'<input type="radio" name="{group}" value="{k}" {OWN_KEYS} onchange="{tell}">'
            f"<span>{_code(choice.text)}</span></label>"
            f'<p data-why="{k}" hidden style="margin:.2em 0 .6em 1.7em"><strong>{mark}</strong> {_code(choice.why)}</p>'
            "</div>"
        )
    return (
        '<fieldset style="border:1px solid #8888;border-radius:6px;padding:.6em 1em;margin:0 0 1em">'
        f'<legend style="float:left;width:100%;font-size:1em;font-weight:600;padding:0;margin:0 0 .4em">'
        f"{number}. {_code(question.text)}</legend>"
        f'<div style="clear:both" aria-live="polite">{"".join(rows)}</div></fieldset>'
    )


def _code(text: str) -> str:
    """Escaped, with `backticks` as code."""
    parts = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if k % 2 else part for k, part in enumerate(parts))
