"""What a teacher chose for each chapter, and no rule could: the one cell of code that its printed page shows.

The slides never leave it out either.
"""

KEY_CELLS = {
    "01-the-task": "by-hand",
    "02-u-net": "forward",
    "cut-out": "light-code",
    "03-data-generators": "generator",
    "04-augmentation": "where-turned-pixel-code-3",
    "05-segnet-unpooling": "u-net-lack-code-1",
    "06-coordinate-maps": "crop-must-crop-code-2",
    "07-dilated-convolution": "convolve",
    "08-feature-maps": "how-you-look-code-1",
    "09-results": "order-signs",
    "10-beyond": "full-size-code-1",
    "11-your-own-photos": "doubt-code",
    "12-the-clinic": "epoch",
    "appendix-upsampling": "how-by-hand-code-1",
    "appendix-loading": "decode",
}
