#!/usr/bin/env python3
"""Writes src/zoo/imagenet_labels.c from synset_words.txt (line n is class n: "n01440764 tench, Tinca tinca").

    tools/make_imagenet_labels.py synset_words.txt > src/zoo/imagenet_labels.c
"""
import sys

HEAD = """\
/* imagenet_labels.c - the 1,000 classes of ImageNet-1k in the order of every classifier trained on it: WordNet id and names.
 * Made by tools/make_imagenet_labels.py; do not edit. */
#include "zoo/imagenet_labels.h"

/* clang-format off */
const wk_imagenet_class wk_imagenet_table[WK_IMAGENET_CLASSES] = {"""


def main():
    with open(sys.argv[1], encoding="ascii") as lines:
        classes = [line.strip().split(" ", 1) for line in lines if line.strip()]
    if len(classes) != 1000:
        sys.exit(f"{sys.argv[1]}: {len(classes)} classes, expected 1,000")
    print(HEAD)
    for wnid, names in classes:
        assert wnid[0] == "n" and len(wnid) == 9 and wnid[1:].isdigit(), wnid
        assert '"' not in names and "\\" not in names, names
        print(f'    {{"{wnid}", "{names.split(", ")[0]}", "{names}"}},')
    print("};")


main()
