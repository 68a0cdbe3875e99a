#!/usr/bin/env python3
"""doctor.py WHISKER DATA [--backbone B] [--seed S]...

How much of what is wrong with a collection `whisker check` finds. Makes it wrong in known ways, by a seed: 5% of the labels of
DATA (class folders, or train/ and test/ with these) are changed; and copies of photos that are recompressed, half the size, cut by
3% or 8% at every edge, mirrored or turned by 3 degrees are added. Prints, for each seed:

  labels   share of the changed labels in the first 6% of the list, and how many of its first 50 are not changed ones
  copies   share found of each kind, and pairs that are no copies

Needs Pillow. What it makes is thrown away, WHISKER_HOME of the caller is used, so features are kept from one seed to the next.
"""
import argparse
import csv
import json
import pathlib
import random
import shutil
import subprocess
import tempfile

from PIL import Image, ImageOps


def photos_of(data):
    """(path below data, class) of every photo."""
    return sorted((p, p.parent.name) for p in pathlib.Path(data).rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})


def check(whisker, data, backbone, *more):
    command = [whisker, "check", str(data), "--json", "-q", *more]
    if backbone:
        command += ["-b", backbone]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def changed_labels(to, photos, seed, share=0.05):
    """Writes a list with some labels changed; returns the numbers of these photos."""
    classes = sorted({c for _, c in photos})
    rng = random.Random(seed)
    wrong = set(rng.sample(range(len(photos)), round(share * len(photos))))
    with open(to, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["file", "label"])
        for i, (path, label) in enumerate(photos):
            out.writerow([path, rng.choice([c for c in classes if c != label]) if i in wrong else label])
    return wrong


def flipped_labels(whisker, photos, seed, backbone, work):
    """A list with changed labels: how many of them come first."""
    wrong = changed_labels(work / "flipped.csv", photos, seed)
    report = check(whisker, work / "flipped.csv", backbone, "--no-look-alikes")
    number = {str(p): i for i, (p, _) in enumerate(photos)}
    order = [number[f["file"]] for f in report["findings"] if f["kind"] == "mislabelled"]
    first = order[: round(0.06 * len(photos))]
    return sum(i in wrong for i in first) / len(wrong), sum(i not in wrong for i in order[:50]), len(order)


CUT = {"cropped": 0.03, "cut by 8%": 0.08}


def variant(image, how, rng):
    width, height = image.size
    if how == "half":
        return image.resize((max(1, width // 2), max(1, height // 2)), Image.BICUBIC)
    if how in CUT:  # by a share of its sides, from anywhere
        x, y = round(CUT[how] * width), round(CUT[how] * height)
        left, top = rng.randint(0, 2 * x), rng.randint(0, 2 * y)
        return image.crop((left, top, left + width - 2 * x, top + height - 2 * y))
    if how == "mirrored":
        return ImageOps.mirror(image)
    if how == "turned by 3 degrees":
        return image.rotate(3, Image.BICUBIC)
    return image


def copies(whisker, photos, seed, backbone, work, each=100):
    """Changed copies beside their originals: share found of each kind, and groups of what does not belong together."""
    rng = random.Random(seed)
    chosen = rng.sample(photos, min(each, len(photos)))
    folder = work / "copies"
    shutil.rmtree(folder, ignore_errors=True)
    belongs, wanted = {}, {}
    for path, label in photos:
        to = folder / label / ("original-" + "-".join(path.parts[-3:]))
        to.parent.mkdir(parents=True, exist_ok=True)
        to.symlink_to(path)
        belongs[str(to)] = str(path)
    for how in ["recompressed", "half", "cropped", "mirrored", "cut by 8%", "turned by 3 degrees"]:
        wanted[how] = []
        for path, label in chosen:
            to = folder / label / f"{how}-{path.stem}-{rng.randrange(10**6)}.jpg"
            with Image.open(path) as image:
                changed = variant(ImageOps.exif_transpose(image).convert("RGB"), how, rng)
            changed.save(to, quality=rng.choice([50, 60, 70, 80]) if how == "recompressed" else 85)
            belongs[str(to)] = str(path)
            wanted[how].append(str(to))
    report = check(whisker, folder, backbone)
    group, false = {}, []
    for members in report["duplicates"] + report["look_alikes"]:
        for name in members:
            group[name] = members
        strangers = sorted({belongs[name] for name in members})
        if len(strangers) > 1:
            false.append(strangers)
    found = {how: sum(any(o != n and belongs[o] == belongs[n] for o in group.get(n, [])) for n in names) / len(names)
             for how, names in wanted.items()}
    return found, false


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("whisker")
    parser.add_argument("data")
    parser.add_argument("--backbone")
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--each", type=int, default=100, help="photos that are copied in every way")
    o = parser.parse_args()
    photos = [(p.resolve(), c) for p, c in photos_of(o.data)]
    print(f"{len(photos)} photos of {len({c for _, c in photos})} classes")
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for seed in o.seed or [1, 2, 3]:
            share, alarms, listed = flipped_labels(o.whisker, photos, seed, o.backbone, work)
            print(f"seed {seed}: labels {share:.1%} of the changed ones in the first 6%; "
                  f"{alarms} of the first 50 are false alarms; {listed} listed")
            found, false = copies(o.whisker, photos, seed, o.backbone, work, o.each)
            print(f"seed {seed}: copies " + ", ".join(f"{how} {share:.1%}" for how, share in found.items())
                  + f"; {len(false)} sets of strangers")
            for strangers in false[:10]:
                print("   ", *strangers)


if __name__ == "__main__":
    main()
