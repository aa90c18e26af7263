"""A folder's report as a text, problems first, and as JSON."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from carvana_lessons.data.layout import listed
from carvana_lessons.data.report import DOUBT, LEVELS, NOTE, PROBLEM, Finding, FolderReport
from carvana_lessons.utils.files import write_json
from carvana_lessons.utils.wording import counted

VERSION = 1  # of the JSON: counts up when a reader of older files would misread newer ones
HEADINGS = {PROBLEM: "To be mended before a training:", DOUBT: "To be looked at:", NOTE: "To be known:"}
MANY = 10  # findings of one kind; more are told in one
WIDTH = 100


def describe_report(report: FolderReport, width: int = WIDTH) -> str:
    """A report to read: problems, doubts, notes, and in the end what the folder holds.

    Args:
        report: of `check_folder`.
        width: of a line, in characters.

    Returns:
        lines of text.

    Lesson:
        11.
    """
    lines, number = [], 0
    for level in LEVELS:
        if not (findings := _joined(report.of(level))):
            continue
        lines.append(HEADINGS[level])
        for finding in findings:
            number += 1
            head = f"{number:3}. "
            lines.append(textwrap.fill(head + sentence(finding), width, subsequent_indent=" " * len(head),
                                       break_long_words=False, break_on_hyphens=False))  # fmt: skip
        lines.append("")
    return "\n".join([*lines, *_summary(report, width)])


def sentence(finding: Finding) -> str:
    """A finding as one or two sentences, with the first of its files.

    Args:
        finding: of a report.

    Returns:
        what, which files, and the cure.
    """
    # Where the sentence names its only file already, the file is not said again.
    named = len(finding.files) == 1 and finding.files[0] in finding.what
    files = f": {listed(finding.files, finding.total)}" if finding.files and not named else ""
    return f"{finding.what}{files}. {finding.cure}".rstrip()


def write_report(report: FolderReport, path: str | Path) -> Path:
    """Write a report as JSON, whole or not at all; whether a file may be replaced is the caller's question.

    Args:
        report: of `check_folder`.
        path: of the file.

    Returns:
        the path.

    Raises:
        CarvanaError: where it cannot be written.

    Lesson:
        11.
    """
    return write_json(path, as_json(report))


def as_json(report: FolderReport) -> dict[str, Any]:
    """A report in dictionaries, lists, texts and numbers, with the names of all files.

    Args:
        report: of `check_folder`.

    Returns:
        what `write_report` writes.
    """
    shares = [look.share for look in report.looks if look.share is not None]
    return {
        "version": VERSION,
        "folder": str(report.root),
        "in_order": not report.problems,
        "pairs": len(report.looks),
        "unit": report.unit,
        "groups": len({look.pair.group for look in report.looks}),
        "sizes": _counts("×".join(map(str, look.size)) for look in report.looks if look.size),
        "photos": _counts(look.kind for look in report.looks if look.kind),
        "masks": _counts(look.mask_kind for look in report.looks if look.mask_kind),
        "values": _counts(look.values for look in report.looks if look.values),
        "share": None
        if not shares
        else {"median": float(np.median(shares)), "smallest": min(shares), "largest": max(shares)},
        "findings": [
            {
                "level": finding.level,
                "kind": finding.kind,
                "what": finding.what,
                "cure": finding.cure,
                "files": list(finding.files),
            }
            for finding in report.findings
        ],
    }


def _joined(findings: list[Finding]) -> list[Finding]:
    """Of a kind that was found very often, the first ones and how many more there are."""
    counts = Counter(finding.kind for finding in findings)
    told: Counter[str] = Counter()
    kept = []
    for finding in findings:
        told[finding.kind] += 1
        if told[finding.kind] < MANY or counts[finding.kind] == MANY:
            kept.append(finding)
        elif told[finding.kind] == MANY:
            more = counts[finding.kind] - MANY + 1
            kept.append(Finding(finding.level, finding.kind, f"And {more:,} more of this kind ({finding.kind})",
                                cure="--out writes all of them to a file."))  # fmt: skip
    return kept


def _counts(texts: Iterable[str]) -> dict[str, int]:
    return dict(Counter(texts).most_common())


def _summary(report: FolderReport, width: int) -> list[str]:
    """What the folder holds, in a line or two."""
    if not report.looks:
        return ["Found: no photo with its mask."]
    about = as_json(report)
    grouped = "" if report.unit == "photo" else f" of {counted(about['groups'], report.unit)}"
    lines = [
        f"Found: {counted(about['pairs'], 'photo')}{grouped} with masks; {_most(about['photos'])}, masks "
        f"{_most(about['masks'])}, of the values {_most(about['values'])}; sizes {_most(about['sizes'])}.",
    ]
    if about["share"] is not None:
        share = about["share"]
        lines.append(
            f"The object fills {share['median']:.1%} of a photo in the median, {share['smallest']:.1%} to "
            f"{share['largest']:.1%}."
        )
    return [textwrap.fill(line, width, break_long_words=False) for line in lines]


def _most(counts: dict[str, int], most: int = 3) -> str:
    """The commonest of some texts, with their counts where there are several."""
    if len(counts) < 2:
        return next(iter(counts), "unreadable")
    some = ", ".join(f"{text} ({count:,})" for text, count in list(counts.items())[:most])
    return some + (f" and {len(counts) - most:,} others" if len(counts) > most else "")
