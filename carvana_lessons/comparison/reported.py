"""Results that others reported, as tables: never mixed with our measurements, only printed beside them.

Lesson:
    09.
"""

import pandas as pd

# Slides [B], "Experimental results": 512×512 pixels, batch 4, Adam, 250 epochs, a GTX 1080 Ti. The score is headed "DSC
# Test set", which is what the slides call the 100,064 photos: most likely Kaggle's score of a late submission.
_DEFENSE = {
    "unet": (0.995604, 31_043_586, 137.6, 34.42),
    "segnet": (0.996092, 29_444_162, 165.13, 30.50),
    "arc1": (0.996932, 32_799_554, 171.75, 42.793),
    "arc2": (0.996870, 32_800_706, 172.59, 42.901),
    "arc3": (0.996937, 32_808_770, 170.50, 42.839),
    "maskingnet": (0.997023, 32_808_770, 180.46, 46.609),
}
# The private leaderboard, places 1 to 12: team, Dice, submissions, places gained or lost (−) against the public one.
_PLACES = (
    ("best[over]fitting", 0.997332, 80, 1),
    ("bestfitting", 0.997331, 78, -1),
    ("lyakaap", 0.997264, 43, 1),
    ("80 TFlops", 0.997232, 82, 3),
    ("Kyle", 0.997209, 59, 7),
    ("JbestDeepGooseFlops", 0.997190, 76, -3),
    ("deepsystems.io", 0.997151, 12, 1),
    ("jizs", 0.997138, 16, 17),
    ("lizy", 0.997126, 25, 13),
    ("David", 0.997123, 65, 20),
    ("Sukjae Cho", 0.997115, 42, -5),
    ("Onion x Potato", 0.997085, 20, 17),
)
#: Dice of the challenge's private leaderboard, places 1 to 12, as slides [B] show it; the 12th is the author's.
LEADERBOARD = tuple(dice for _, dice, _, _ in _PLACES)


def reported() -> pd.DataFrame:
    """The defense's result table.

    Returns:
        one row per network, with dice (share), error (1 − dice), parameters, train_ms and test_ms (per image).

    Source:
        slides [B].

    Lesson:
        09.
    """
    table = pd.DataFrame.from_dict(_DEFENSE, orient="index", columns=["dice", "parameters", "train_ms", "test_ms"])
    table.insert(1, "error", 1 - table["dice"])
    return table.rename_axis("network")


def leaderboard() -> pd.DataFrame:
    """The first twelve of the challenge's 735 teams; the twelfth is the team of the defense's author.

    Returns:
        one row per place, 1 to 12, with team, dice (share), submissions and change (places gained or lost between the
        public and the private leaderboard).

    Source:
        slides [B].

    Lesson:
        01.
    """
    table = pd.DataFrame(_PLACES, columns=["team", "dice", "submissions", "change"])
    return table.set_axis(pd.RangeIndex(1, len(table) + 1, name="place"))
