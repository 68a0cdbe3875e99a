#!/usr/bin/env python3
"""Makes tests/golden/image/augment.txt: CRC-32s of what Pillow makes of single augmentations with given strengths.

Needs Pillow and numpy. Hue is torchvision's adjust_hue on a Pillow picture, written out; the rest is Pillow's own ImageEnhance,
ImageOps and transforms, which torchvision and timm call.
"""
import pathlib

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from make_image_goldens import crc, texture

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "image" / "augment.txt"
FILL = (124, 116, 104)


def hue(picture, amount):
    h, s, v = picture.convert("HSV").split()
    turned = np.array(h, np.uint8) + np.int32(amount * 255).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(turned, "L"), s, v)).convert("RGB")


def solarize_add(picture, amount):
    table = [min(255, v + amount) if v < 128 else v for v in range(256)]
    return picture.point(table * 3)


ADJUST = {
    "brightness": lambda p, v: ImageEnhance.Brightness(p).enhance(v),
    "contrast": lambda p, v: ImageEnhance.Contrast(p).enhance(v),
    "saturation": lambda p, v: ImageEnhance.Color(p).enhance(v),
    "sharpness": lambda p, v: ImageEnhance.Sharpness(p).enhance(v),
    "hue": hue,
    "grey": lambda p, v: p.convert("L").convert("RGB"),
    "invert": lambda p, v: ImageOps.invert(p),
    "autocontrast": lambda p, v: ImageOps.autocontrast(p),
    "equalize": lambda p, v: ImageOps.equalize(p),
    "posterize": lambda p, v: ImageOps.posterize(p, v),
    "solarize": ImageOps.solarize,
    "solarize-add": solarize_add,
}
FACTORS = (0, 0.1, 0.63, 1, 1.37, 1.9, 3)
AMOUNTS = {
    "brightness": FACTORS, "contrast": FACTORS, "saturation": FACTORS, "sharpness": FACTORS,
    "hue": (-0.5, -0.21, -0.01, 0, 0.02, 0.1, 0.5), "grey": (0,), "invert": (0,), "autocontrast": (0,), "equalize": (0,),
    "posterize": (0, 1, 4, 8), "solarize": (0, 100, 256), "solarize-add": (0, 55, 110),
}
AFFINES = (
    (1, 0.3, 0, 0, 1, 0), (1, 0, 0, -0.25, 1, 0), (1, 0, 17.55, 0, 1, 0), (1, 0, 0, 0, 1, -9.4), (0.8, 0.1, 3.3, -0.2, 1.1, 2.7),
    (0.5, 0.01, 0, 0.02, 0.5, 0), (-1, 0.001, 50, 0, -1, 40),
)


def main():
    lines = []
    for width, height in ((61, 47), (5, 3), (2, 9)):
        source = texture(width, height)
        for name, amounts in AMOUNTS.items():
            for amount in amounts:
                lines.append(f"adjust {name} {amount} {width} {height} {crc(ADJUST[name](source, amount))}")
        for filter_name, kind_of in (("bilinear", Image.BILINEAR), ("nearest", Image.NEAREST)):
            for matrix in AFFINES:
                result = source.transform(source.size, Image.AFFINE, matrix, kind_of, fillcolor=FILL)
                lines.append(f"affine {filter_name} {' '.join(map(str, matrix))} {width} {height} {crc(result)}")
            for degrees in (0.5, -7, 30, 45, 91.3, 179, -123.4):
                result = source.rotate(degrees, kind_of, fillcolor=FILL)
                lines.append(f"rotate {filter_name} {degrees} {width} {height} {crc(result)}")
    OUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
