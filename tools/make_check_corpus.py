#!/usr/bin/env python3
"""Makes tests/golden/check/: a collection with one file of everything that `whisker check` finds in files, and what is right.

    make_check_corpus.py

Needs Pillow and ImageMagick's convert, from which one of the copies comes. The pictures are made by formula,
so no photo is committed. verdicts.tsv has a line for each finding that is right, none for a photo with which nothing is wrong:

    file    kind    other    missing    words

`other` is the photo that it is a copy of; `missing` the percentage that is not there, as Pillow sees it, of those that break off
(whisker may be off by 10, for the last row of blocks may be half there); `words`, if any, are in the line that says what is wrong: at
which byte it breaks, which follows from how the file was broken here.
"""
import io
import math
import pathlib
import random
import shutil
import subprocess

from PIL import Image, ImageFile, ImageOps

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "check"
WIDTH, HEIGHT = 144, 112
lines = []


def picture(seed, width=WIDTH, height=HEIGHT):
    """Soft coloured blobs, which no cut or mirror makes like another's."""
    rng = random.Random(seed)
    blobs = [[rng.random() for _ in range(5)] for _ in range(7)]
    image = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            total, sums = 1e-9, [0, 0, 0]
            for bx, by, *colour in blobs:
                w = math.exp(-25 * ((x / width - bx) ** 2 + (y / height - by) ** 2))
                total += w
                sums = [s + w * c for s, c in zip(sums, colour)]
            image.putpixel((x, y), tuple(int(255 * s / total) for s in sums))
    return image


def encoded(image, kind="JPEG", **how):
    out = io.BytesIO()
    image.save(out, kind, **({"quality": 80} | how if kind == "JPEG" else how))
    return out.getvalue()


def add(name, data, *findings):
    """Writes a file; each finding is (kind, other, missing, words), of which the later may be left out."""
    path = OUT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    for finding in findings:
        kind, other, missing, words = (tuple(finding) + ("",) * 4)[:4]
        lines.append("\t".join([name, kind, other, str(missing), words]))


def missing_share(data, rows):
    """Percentage of rows at the end that Pillow fills in for what is not there."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    image = Image.open(io.BytesIO(data)).convert("RGB")
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    fill = [image.getpixel((image.width - 1, image.height - 1))] * image.width
    filled = 0
    while filled < rows and [image.getpixel((x, rows - 1 - filled)) for x in range(image.width)] == fill:
        filled += 1
    return round(100 * filled / rows)


def broken():
    png = encoded(picture(101), "PNG")
    jpeg = encoded(picture(102))
    add("train/a/empty.jpg", b"", ("unreadable",))
    add("train/a/text.jpg", b"this is no picture", ("unreadable", "", "", "byte 0 of 18"))
    header = bytearray(png)
    header[20] ^= 0x40  # in the first chunk, which begins at byte 8
    add("train/a/header.png", bytes(header), ("unreadable", "", "", f"byte 8 of {len(png)}"))
    data_chunk = png.index(b"IDAT") - 4
    body = bytearray(png)
    body[data_chunk + 40] ^= 0xFF
    add("train/b/checksum.png", bytes(body), ("unreadable", "", "", f"byte {data_chunk} of {len(png)}"))
    add("train/b/cut.png", png[: len(png) * 2 // 3], ("unreadable", "", "", f"of {len(png) * 2 // 3}: its data end here"))
    scan = jpeg.index(b"\xff\xda")
    add("train/b/no-scan.jpg", jpeg[:scan], ("unreadable", "", "", f"of {scan}"))
    for name, data in (("train/a/half.jpg", jpeg), ("train/b/third.jpg", encoded(picture(103), quality=92))):
        scan = data.index(b"\xff\xda")
        share = 0.5 if "half" in name else 0.66
        cut = data[: scan + int(share * (len(data) - scan))]
        add(name, cut, ("truncated", "", missing_share(cut, HEIGHT), f"of {len(cut)}"))


def odd():
    add("train/a/really-png.jpg", encoded(picture(201), "PNG"), ("ending", "", "", "this is a PNG"))
    add("train/b/really-gif.png", encoded(picture(202), "GIF"), ("ending", "", "", "this is a GIF"))
    for seed, orientation in ((203, 3), (204, 6), (205, 8)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        add(f"train/a/turned-{orientation}.jpg", encoded(picture(seed), exif=exif.tobytes()),
            ("sideways", "", "", f"orientation {orientation}"))
    add("train/b/small.png", encoded(picture(206, 24, 20), "PNG"), ("tiny", "", "", "24 x 20"))
    add("train/b/blank.png", encoded(Image.new("RGB", (WIDTH, HEIGHT), (40, 90, 160)), "PNG"), ("blank",))
    add("train/a/grey.jpg", encoded(picture(207).convert("L")), ("grey",))
    add("train/b/long.jpg", encoded(picture(208, 400, 50)), ("shape", "", "", "400 x 50"))


def by_imagemagick(path, *how):
    try:
        made = subprocess.run(["convert", str(path), "-strip", *how, "jpg:-"], check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as why:
        raise SystemExit(f"this needs ImageMagick's convert: {why}") from why
    return made


def copies():
    """An original, whose name comes first, so that the other is told to be its copy."""
    def original(name, seed):
        add(name, encoded(picture(seed), quality=90))
        return picture(seed), (OUT / name).read_bytes()

    ways = {
        "same": lambda i, b: b,
        "recompressed": lambda i, b: encoded(i, quality=45),
        "half": lambda i, b: encoded(i.resize((WIDTH // 2, HEIGHT // 2))),
        "cut": lambda i, b: encoded(i.crop((6, 2, WIDTH - 2, HEIGHT - 4))),
        "mirrored": lambda i, b: encoded(ImageOps.mirror(i)),
    }
    for n, (way, change) in enumerate(ways.items()):
        first = f"train/a/c{n}-0.jpg"
        image, data = original(first, 300 + n)
        add(f"train/a/c{n}-1-{way}.jpg", change(image, data), ("copy" if way == "same" else "twin", first))
    original("train/b/c5-0.jpg", 305)
    add("train/b/c5-1-other-program.jpg", by_imagemagick(OUT / "train/b/c5-0.jpg", "-resize", "66%", "-quality", "60"),
        ("twin", "train/b/c5-0.jpg"))
    for n, way in ((6, "same"), (7, "recompressed")):  # the one in train/ is told of
        image, data = original(f"train/b/c{n}-0.jpg", 300 + n)
        add(f"test/b/c{n}-1-{way}.jpg", ways[way](image, data))
        lines.append(f"train/b/c{n}-0.jpg\tleak\ttest/b/c{n}-1-{way}.jpg\t\t")
    for n, way in ((8, "same"), (9, "mirrored")):  # both are told of
        image, data = original(f"train/a/c{n}-0.jpg", 300 + n)
        add(f"train/b/c{n}-1-{way}.jpg", ways[way](image, data), ("labels", f"train/a/c{n}-0.jpg"))
        lines.append(f"train/a/c{n}-0.jpg\tlabels\ttrain/b/c{n}-1-{way}.jpg\t\t")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for n in range(2):
        for place in ("train/a", "train/b", "test/a", "test/b"):
            seed = 10 * n + ["train/a", "train/b", "test/a", "test/b"].index(place)
            add(f"{place}/fine-{n}.jpg", encoded(picture(seed)))
    broken()
    odd()
    copies()
    (OUT / "verdicts.tsv").write_text("file\tkind\tother\tmissing\twords\n" + "".join(f"{line}\n" for line in sorted(lines)))
    files = [p for p in OUT.rglob("*") if p.is_file()]
    print(f"{len(files)} files, {sum(p.stat().st_size for p in files)} bytes, {len(lines)} findings")


main()
