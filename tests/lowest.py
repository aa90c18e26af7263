"""Are the lower bounds of pyproject.toml what is installed? The job `lowest` tests with them, so they hold.

    uv pip install --resolution lowest-direct -e .[test]
    python tests/lowest.py

A bound below what can be installed beside the others promises what nobody has tried.
"""

import sys
from importlib.metadata import requires, version

from packaging.requirements import Requirement
from packaging.version import Version

EXTRAS = ("", "export", "heic", "kaggle", "test")


def main() -> None:
    asked = [Requirement(line) for line in requires("carvana-lessons")]
    asked = [r for r in asked if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in EXTRAS)]
    wrong = [
        f"{r.name}{r.specifier}, installed {version(r.name)}"
        for r in asked
        if r.name != "carvana-lessons" and lowest(r) != Version(Version(version(r.name)).public)  # 2.5.0+cpu is 2.5.0
    ]
    if wrong:
        sys.exit("Not installed at its lower bound:\n" + "\n".join(wrong))
    print(f"Lower bounds: {len(asked) - 1} packages are installed at theirs.")


def lowest(requirement: Requirement) -> Version | None:
    return next((Version(s.version) for s in requirement.specifier if s.operator in (">=", "==")), None)


if __name__ == "__main__":
    main()
