#!/usr/bin/env python3
"""Writes scikit-learn's 1,797 handwritten digits (8x8, the UCI optical recognition test set) as PNG files in class
folders, so that training from scratch on small grey pictures can be tried:

    python3 tools/make_digits.py digits [--size 8]
    whisker train digits --from-scratch -b simple_cnn -o digits.whisker

Every fifth picture of a class goes to test/, the others to train/. Needs scikit-learn and Pillow.
"""
import argparse
import pathlib

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=8, help="side of the pictures (bilinear)")
    args = parser.parse_args()
    digits = load_digits()
    seen = [0] * 10
    for picture, label in zip(digits.images, digits.target):
        part = "test" if seen[label] % 5 == 4 else "train"
        folder = args.out / part / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        grey = np.clip(picture * 255 / 16, 0, 255).round().astype(np.uint8)
        image = Image.fromarray(grey, "L")
        if args.size != 8:
            image = image.resize((args.size, args.size), Image.BILINEAR)
        image.save(folder / f"{seen[label]:03d}.png")
        seen[label] += 1
    print(f"{args.out}: {sum(seen)} pictures, 10 classes, {args.size}x{args.size}")


if __name__ == "__main__":
    main()
