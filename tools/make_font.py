#!/usr/bin/env python3
"""Makes src/plot/bitmap_font.c: the letters that whisker writes on its pictures, as 16 levels of grey.

Needs Pillow 11, whose built-in font is Aileron Regular by Sora Sagano, dedicated to the public domain (CC0).
"""
import pathlib

from PIL import Image, ImageDraw, ImageFont

OUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "plot" / "bitmap_font.c"
SIZE, HEIGHT = 13, 16
LETTERS = [chr(c) for c in range(32, 127)] + list("·")

HEAD = """/* bitmap_font.c - the letters that are written on pictures: Aileron Regular by Sora Sagano (public domain, CC0), 13 pixels, 16 levels of
 * grey. tools/make_font.py made this file. One hexadecimal digit a pixel, row by row; the width counts the space after. */
#include "plot/bitmap_font.h"

/* clang-format off */
const wk_glyph wk_font[WK_FONT_GLYPHS] = {
"""


def main():
    font = ImageFont.load_default(SIZE)
    lines = []
    for letter in LETTERS:
        width = max(1, round(font.getlength(letter)))
        left, _, right, _ = font.getbbox(letter)
        width = max(width, right + (left < 0))
        cell = Image.new("L", (width, HEIGHT), 0)
        ImageDraw.Draw(cell).text((max(0, -left), 0), letter, font=font, fill=255)
        digits = "".join(f"{v * 15 // 255:x}" for v in cell.tobytes())
        lines.append(f"  {{{ord(letter)}, {width}, \"{digits}\"}},")
    OUT.write_text(HEAD + "\n".join(lines) + "\n};\n/* clang-format on */\n")
    print(len(LETTERS), "glyphs")


if __name__ == "__main__":
    main()
