#!/usr/bin/env python3
"""Writes src/zoo/imagenet_groups.c from WordNet 3.0's nouns: what classes of ImageNet-1k there are of a kind ("cat", "dog", "bird").

    tools/make_imagenet_groups.py data.noun src/zoo/imagenet_labels.c > src/zoo/imagenet_groups.c

data.noun is WordNet 3.0's (Debian's package wordnet-base has it); the WordNet ids of ImageNet's classes are places in it. A group is a noun
that stands above two classes or more. Nouns above more than half of all classes (object, whole ...) say nothing and are left out, and of two
nouns above the same classes one row has both names.
"""
import re
import sys

HEAD = """\
/* imagenet_groups.c - kinds of things that several classes of ImageNet-1k are of, by WordNet's hypernyms: their names, and the classes as
 * ranges. Made by tools/make_imagenet_groups.py; do not edit.
 *
 * After WordNet 3.0, Copyright 2006 by Princeton University. All rights reserved. This software and database is provided "as is" and
 * Princeton University makes no representations or warranties, express or implied; permission to use, copy, modify and distribute it for any
 * purpose and without fee or royalty is granted, provided that this notice appears on all copies. (G. A. Miller, "WordNet: A Lexical
 * Database for English", Communications of the ACM 38, 1995.) */
#include "zoo/imagenet_labels.h"

/* clang-format off */
const wk_imagenet_group wk_imagenet_groups[] = {"""


def nouns(path):
    """{offset: (names, offsets of hypernyms)}"""
    found = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            if line.startswith("  "):
                continue
            fields = line.split(" | ")[0].split()
            words = int(fields[3], 16)
            names = [fields[4 + 2 * i].replace("_", " ") for i in range(words)]
            at = 4 + 2 * words
            above = [fields[at + 2 + 4 * i] for i in range(int(fields[at])) if fields[at + 1 + 4 * i] in ("@", "@i")]
            found[fields[0]] = (names, above)
    return found


def ranges(classes):
    text, first = [], None
    for i, k in enumerate(classes):
        first = k if first is None else first
        if i + 1 == len(classes) or classes[i + 1] != k + 1:
            text.append(str(first) if first == k else f"{first}-{k}")
            first = None
    return " ".join(text)


def main():
    words = nouns(sys.argv[1])
    with open(sys.argv[2], encoding="ascii") as source:
        ids = re.findall(r'\{"n(\d{8})", ', source.read())
    if len(ids) != 1000:
        sys.exit(f"{sys.argv[2]}: {len(ids)} classes, expected 1,000")
    below = {}
    for number, start in enumerate(ids):
        todo, seen = [start], set()
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                below.setdefault(one, set()).add(number)
                todo += words[one][1]
    groups = {}
    for synset in sorted(below):
        classes = below[synset]
        if 2 <= len(classes) <= 500:
            names = groups.setdefault(tuple(sorted(classes)), [])
            names += [n for n in words[synset][0] if n not in names]
    print(HEAD)
    for classes, names in sorted(groups.items()):
        assert '"' not in "".join(names) and not any("|" in n for n in names), names
        print(f'    {{"{"|".join(names)}", "{ranges(classes)}"}},')
    print("};\nconst int wk_imagenet_group_count = sizeof wk_imagenet_groups / sizeof *wk_imagenet_groups;")


main()
