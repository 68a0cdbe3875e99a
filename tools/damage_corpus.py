#!/usr/bin/env python3
"""Damages pictures in every way that files get damaged, and lets whisker read them: no crash, no hang, no memory without bounds.

    damage_corpus.py WHISKER [--files 1000] [--seed 1] [PICTURE...]

PICTURE: what is damaged; default: tests/golden/corpus. Each file is a copy of one with bits flipped (most), cut off, or with a run of bytes
overwritten. All of them lie in one folder, which `whisker check` looks through within a limit of time and of memory; it must name what it
cannot read and end by itself. A crash is narrowed down to a file. tests/unit/test_image.c has the short version, allocations and all.
"""
import argparse
import json
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile

MEMORY = 3 << 30  # bytes of addresses: the largest picture that is allowed takes half a gigabyte, and two are open at once
SECONDS = 900


def damaged(data, rng):
    data = bytearray(data)
    way = rng.random()
    if way < 0.1:
        del data[rng.randrange(len(data)):]
    elif way < 0.2:
        at = rng.randrange(len(data))
        data[at:at + rng.randrange(1, 64)] = rng.randbytes(16)
    else:
        for _ in range(rng.choice((1, 1, 2, 4, 16))):
            at = rng.randrange(min(len(data), rng.choice((64, 512, 1 << 30))))  # headers are hit as often as pixels
            data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


def check(whisker, folder, seconds=SECONDS):
    """(exit code or signal, the report or what was said)"""
    def limits():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        done = subprocess.run([whisker, "check", folder, "--no-labels", "--json", "-j", "2"], capture_output=True, timeout=seconds, preexec_fn=limits)
    except subprocess.TimeoutExpired:
        return "hangs", ""
    return done.returncode, done.stdout or done.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("whisker")
    parser.add_argument("pictures", nargs="*", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    corpus = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "corpus"
    pictures = o.pictures or sorted(p for p in corpus.iterdir() if p.is_file() and p.suffix != ".txt")
    rng = random.Random(o.seed)
    whisker = str(pathlib.Path(o.whisker).resolve())
    with tempfile.TemporaryDirectory() as room:
        room = pathlib.Path(room)
        for i in range(o.files):
            source = pictures[i % len(pictures)]
            folder = room / "photos" / ("a" if i % 2 else "b")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{i:05d}-{source.name}").write_bytes(damaged(source.read_bytes(), rng))
        code, report = check(whisker, str(room / "photos"))
        if code == 0:
            report = json.loads(report)
            broken = report["counts"]["unreadable"] + report["counts"]["truncated"]
            print(f"{o.files} damaged files: {report['usable']} can still be read, {broken} are named as broken")
            if report["usable"] + broken != report["files"]:
                sys.exit(f"of {report['files']} files some are neither: {report}")
            return
        print(f"whisker check: {code}\n{report[-400:]!r}", file=sys.stderr)
        for file in sorted((room / "photos").rglob("*.*")):  # which one is it?
            alone = room / "alone" / "a"
            shutil.rmtree(room / "alone", ignore_errors=True)
            alone.mkdir(parents=True)
            shutil.copy(file, alone)
            code, _ = check(whisker, str(room / "alone"), 20)
            if code not in (0, 1):
                shutil.copy(file, ".")
                print(f"{file.name}: {code}; a copy is here", file=sys.stderr)
        sys.exit(1)


main()
