"""Small pieces of sentences that must be right for one thing and for many.

inflect knows the plural of every English noun; the dozen of nouns here is no reason for one more dependency.
"""


def counted(number: int, thing: str, things: str | None = None) -> str:
    """A number and its noun: "1 photo", "1,536 photos".

    Args:
        number: how many.
        thing: one of them.
        things: several; unset, ``thing`` with an s.

    Returns:
        both in words.
    """
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"
