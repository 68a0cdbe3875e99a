#!/usr/bin/env python3
"""Photo bytes to network input: Pillow with torchvision's transform, against whisker (bench_pixels), in turns.

    pixels_pillow.py build/release/bench/bench_pixels PHOTOS_FOLDER [--camera 6] [--rounds 7]

Two jobs, one thread each: the folder's photos as they are, and camera-sized pictures (4000 x 3000, made here out of the
folder's photos with sensor-like noise, never kept). torchvision's Resize(256), CenterCrop(224), ToTensor and Normalize are
written out below with the calls that it makes itself, so that it need not be installed; PyTorch is.
"""
import argparse
import json
import pathlib
import random
import statistics
import subprocess
import tempfile
import time

import numpy as np
import torch
from PIL import Image

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(-1, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(-1, 1, 1)


def transform(path):
    photo = Image.open(path)
    photo = photo.convert("RGB")
    width, height = photo.size
    short, long = min(width, height), max(width, height)
    size = int(256 * long / short)
    photo = photo.resize((256, size) if width <= height else (size, 256), Image.BILINEAR)
    width, height = photo.size
    top, left = int(round((height - 224) / 2.0)), int(round((width - 224) / 2.0))
    photo = photo.crop((left, top, left + 224, top + 224))
    pixels = torch.from_numpy(np.array(photo, np.uint8, copy=True)).view(224, 224, 3)
    tensor = pixels.permute((2, 0, 1)).contiguous().to(torch.float32).div(255)
    return tensor.sub_(MEAN).div_(STD)


def camera(folder, photos, count):
    """Pictures with as much detail as a camera's: mosaics of photos, with noise."""
    generator = np.random.default_rng(1)
    paths = []
    for i in range(count):
        mosaic = Image.new("RGB", (4000, 3000))
        for tile in range(16):
            photo = Image.open(photos[(16 * i + tile) % len(photos)]).convert("RGB").resize((1000, 750), Image.BICUBIC)
            mosaic.paste(photo, (tile % 4 * 1000, tile // 4 * 750))
        noisy = np.asarray(mosaic, np.float32) + generator.normal(0, 3, (3000, 4000, 1)).astype(np.float32)
        paths.append(folder / f"camera{i}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=92)
    return paths


def peer(paths):
    start = time.process_time()
    for path in paths:
        transform(path)
    return (time.process_time() - start) * 1e3 / len(paths)


def own(program, paths):
    result = subprocess.run([program, *map(str, paths)], capture_output=True, check=True, text=True)
    return json.loads(result.stdout)["total_ms"]


def compare(name, program, paths, rounds):
    pairs = []
    for _ in range(rounds):
        pairs.append((peer(paths), own(program, paths)))
    theirs, ours = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratio = statistics.median(p[0] / p[1] for p in pairs)
    print(f"{name:<32} {len(paths):>4} photos   Pillow + torchvision {theirs:8.2f} ms   whisker {ours:8.2f} ms   {ratio:5.2f}x")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--camera", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--limit", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    photos = []
    for path in sorted(p for p in options.photos.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg")):
        with Image.open(path) as photo:
            if photo.format == "JPEG" and max(photo.size) == 500:
                photos.append(path)
    random.Random(1).shuffle(photos)
    photos = photos[: options.limit]
    compare("500-pixel photos", options.program, photos, options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        paths = camera(pathlib.Path(folder), photos, options.camera)
        size = sum(p.stat().st_size for p in paths) / len(paths) / 1e6
        compare(f"12 megapixels ({size:.1f} MB)", options.program, paths, options.rounds)


if __name__ == "__main__":
    main()
