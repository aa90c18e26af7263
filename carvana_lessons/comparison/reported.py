"""Results that others reported, as tables: never mixed with our measurements, only printed beside them.

Lesson:
    09.
"""

import pandas as pd

# Slides [B], "Experimental results": 512×512 pixels, batch 4, Adam, 250 epochs, split by image, a GTX 1080 Ti.
_DEFENSE = {
    "unet": (0.995604, 31_043_586, 137.6, 34.42),
    "segnet": (0.996092, 29_444_162, 165.13, 30.50),
    "arc1": (0.996932, 32_799_554, 171.75, 42.793),
    "arc2": (0.996870, 32_800_706, 172.59, 42.901),
    "arc3": (0.996937, 32_808_770, 170.50, 42.839),
    "maskingnet": (0.997023, 32_808_770, 180.46, 46.609),
}
#: The challenge's private leaderboard, as slides [B] show it; the 12th is the author's.
LEADERBOARD = (
    0.997332, 0.997331, 0.997264, 0.997232, 0.997209, 0.997190,
    0.997151, 0.997138, 0.997126, 0.997123, 0.997115, 0.997085,
)  # fmt: skip


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
