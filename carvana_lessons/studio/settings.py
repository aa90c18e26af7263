"""Settings of a set of photos, and the version of its pixels.

Lesson:
    01.
"""

from dataclasses import dataclass
from pathlib import Path

from carvana_lessons.utils.errors import DataError
from carvana_lessons.utils.paths import cache_folder

#: Raised whenever the same settings give other pixels.
VERSION = 5
#: What ``metadata.csv`` says of the photos, so that they are not mistaken for real ones.
SOURCE = "synthetic studio"
TAKEN = 1_500_000_000 + VERSION  # every file's time, in seconds: photos that are drawn again have the same fingerprint


@dataclass(frozen=True)
class Settings:
    """One set of photos.

    Attributes:
        cars: how many, 16 photos each.
        size: (width, height) in pixels.
        seed: random seed of the cars.
    """

    cars: int = 48
    size: tuple[int, int] = (480, 320)
    seed: int = 0

    def checked(self) -> "Settings":
        """The same settings, if they can be met.

        Returns:
            itself.

        Raises:
            DataError: if they cannot be met, with the cure.
        """
        if not isinstance(self.cars, int) or not 1 <= self.cars <= 100_000:
            raise DataError(f"The studio cannot photograph {self.cars} cars; ask for a whole number from 1 to 100000.")
        size = tuple(self.size) if isinstance(self.size, tuple | list) else ()
        if len(size) != 2 or not all(isinstance(side, int) and 16 <= side <= 4096 for side in size):
            raise DataError(
                f"{self.size!r} is no photo size; give (width, height) of 16 to 4096 pixels, such as (480, 320)."
            )
        if not isinstance(self.seed, int) or self.seed < 0:
            raise DataError(f"{self.seed!r} is no seed; give a whole number from 0.")
        return Settings(self.cars, size, self.seed)

    @property
    def folder_name(self) -> str:
        """A name that changes whenever the photos would."""
        width, height = self.size
        return f"v{VERSION}-{self.cars}x{width}x{height}-seed{self.seed}"


#: The `Settings` of the set that every chapter uses when no folder is named.
DEFAULT = Settings()


def default_folder(settings: Settings = DEFAULT) -> Path:
    """Where the course keeps a set of photos: a folder of the cache, named after version and settings.

    Args:
        settings: of the set.

    Returns:
        the folder's path, whether it is there or not.
    """
    return cache_folder() / "studio" / settings.checked().folder_name
