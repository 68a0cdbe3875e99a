#!/usr/bin/env python3
"""sweep.py WHISKER SHIM FIXTURE [--runs N] [--command NAME] - faults by number.

Five commands are run over and over, and each time another call fails that opens, reads, writes, flushes, renames, maps,
cuts or closes one of their files, or gives memory: once, or from then on; or the process is killed before it. After each:

  - the command ended by itself, in time, with a message that is one clear line if it failed;
  - nothing that existed is lost: every file is what it was, or whole and new;
  - nothing half is left: no temporary file (but of the killed, and the next run removes it);
  - if it says that all went well, its files are those of an undisturbed run, or it has said what could not be read;
  - the next run is right, byte for byte.

With --runs N about N faults are spread evenly over all there are (but at least one of each command and kind); without, all
are tried, and memory at every ALLOCATIONS_STEPth call. Every command uses one thread, so that the n-th call is always the
same one."""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

KINDS = ["open", "read", "write", "fsync", "rename", "mmap", "ftruncate", "close", "alloc"]
ALLOCATIONS_STEP = 97  # of the tens of thousands of calls for memory; a prime, so that no loop's rhythm is met
SECONDS = 120
TIMES = re.compile(rb'"[a-z_]*seconds[a-z_]*": ?[0-9.e+-]+')  # of a JSON file: they differ each time
PULLED = "efficientnet-lite0-57934424.pth"  # what `whisker pull efficientnet_lite0` keeps; taken from where it did before

LIST = b"file,kind,class,suggested,other,score,exclude,what\n"  # as `check --list` begins one

# name, arguments, what it writes (below the working folder), what goes on after a kill
COMMANDS = [
    ("train", ["train", "few", "-b", "net.safetensors", "-o", "out.whisker"], ["out.whisker"], []),
    ("tune", ["train", "few", "-b", "net.safetensors", "-o", "out.whisker", "--tune", "last:1", "--epochs", "2",
              "--keep", "tuned", "--patience", "0"], ["out.whisker"], ["--resume"]),
    ("pull", ["pull", "efficientnet_lite0", "--from", "mirror"], [], []),
    ("export", ["export", "old.whisker", "-o", "out.onnx"], ["out.onnx"], []),
    ("check", ["check", "few", "-b", "net.safetensors", "--list", "out.csv"], ["out.csv"], []),
]


class Sweep:
    def __init__(self, whisker, shim, fixture, root):
        self.whisker, self.shim, self.root = whisker, shim, root
        fixtures = os.path.join(root, "fixtures")
        subprocess.run([fixture, fixtures], check=True)
        self.template = os.path.join(root, "template")
        shutil.copytree(os.path.join(fixtures, "few"), os.path.join(self.template, "few"))
        shutil.copy(os.path.join(fixtures, "backbone.safetensors"), os.path.join(self.template, "net.safetensors"))
        self.work = os.path.join(root, "work")
        self.tried, self.wrong = 0, []
        home = os.environ.get("WHISKER_HOME") or os.path.expanduser("~/.cache/whisker")
        self.weights = os.path.join(home, "weights", PULLED)
        if os.path.exists(self.weights):
            os.mkdir(os.path.join(self.template, "mirror"))
            os.symlink(self.weights, os.path.join(self.template, "mirror", PULLED))

    def prepare(self):
        """An older model: what export reads, and what must not be lost where a command writes."""
        self.begin()
        result = self.run(["train", "few", "-b", "net.safetensors", "-o", "old.whisker", "--seed", "7"])
        if result.returncode != 0:
            sys.exit(f"no model to begin with: {result.stderr}")
        shutil.copy(os.path.join(self.work, "old.whisker"), self.template)
        with open(os.path.join(self.template, "old.whisker"), "rb") as f:
            self.old = f.read()

    def begin(self):
        """A fresh working folder."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.template, self.work, symlinks=True)

    def run(self, arguments, fault=None, counts=None):
        env = dict(os.environ, WHISKER_HOME=os.path.join(self.work, "home"), LC_ALL="C.UTF-8")
        if fault or counts:
            env.update(LD_PRELOAD=self.shim, WK_FAULT_BELOW=self.work)
        if fault:
            env["WK_FAULT"] = fault
        if counts:
            env["WK_FAULT_COUNTS"] = counts
        return subprocess.run([self.whisker, *arguments, "-j", "1"], cwd=self.work, env=env, timeout=SECONDS,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")

    def files(self):
        """What is in the working folder but for kept features: name to bytes."""
        found = {}
        for folder, folders, names in os.walk(self.work):
            if "features" in folders:
                folders.remove("features")
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    found[os.path.relpath(path, self.work)] = TIMES.sub(rb"", f.read())
        return found

    def temporary(self):
        """Names of temporary files, which are made to look old: a young one could be another process's."""
        for folder, _, names in os.walk(self.work):
            for name in names:
                if name.endswith(".tmp"):
                    os.utime(os.path.join(folder, name), (1, 1))
        return [n for _, _, names in os.walk(self.work) for n in names if n.endswith(".tmp")]

    def differs(self, good):
        """The first file that is another one than in `good`, or None."""
        after = self.files()
        return next((file for file, content in good.items() if after.get(file) != content), None)

    def judge(self, arguments, fault, before, good, again):
        """One fault; what was wrong, or None."""
        killed = fault.endswith(":kill")
        self.begin()
        try:
            result = self.run(arguments, fault)
        except subprocess.TimeoutExpired:
            return f"did not end within {SECONDS} s"
        messages = [line for line in result.stderr.splitlines() if line.startswith("whisker: ")]
        if killed and result.returncode not in (-9, 0):
            return f"killed, but ended with {result.returncode}"
        if not killed and result.returncode not in (0, 1):
            return f"ended with {result.returncode}: {result.stderr[-300:]}"
        if not killed and (result.returncode == 1) != (len(messages) == 1):
            return f"ended with {result.returncode} and {len(messages)} messages: {result.stderr[-300:]}"
        # A photo or weights that could not be read are named, and then the answer may be another one.
        told = result.returncode == 0 and (" ! " in result.stderr or "cannot" in result.stderr + result.stdout)
        after = self.files()
        for file, content in before.items():
            if after.get(file) not in (content, good.get(file)) and not (told and file in good and good[file] != content):
                return f"{file} is neither what it was nor what it should be"
        left = self.temporary()
        if left and not killed:
            return f"left behind: {left}"
        if result.returncode == 0 and not killed and not told and self.differs(good):
            return f"said nothing, and {self.differs(good)} is another one than undisturbed"
        return self.judge_next(arguments, good, again if killed else [])

    def judge_next(self, arguments, good, again):
        result = self.run(arguments + again)
        if result.returncode != 0 and again and "nothing to resume" in result.stderr:
            result = self.run(arguments)
        if result.returncode != 0:
            return f"the next run ended with {result.returncode}: {result.stderr[-300:]}"
        if self.differs(good):
            return f"after the next run {self.differs(good)} is another one than undisturbed"
        return f"the next run left behind: {self.temporary()}" if self.temporary() else None

    def command(self, name, arguments, outputs, again, share):
        if name == "pull" and not os.path.exists(self.weights):
            print(f"skipped: {self.weights} is not here")
            return
        # Something that must not be lost: an older model, or for a list one that was begun before.
        for old in outputs:
            with open(os.path.join(self.template, old), "wb") as f:
                f.write(LIST if old.endswith(".csv") else self.old)
        self.begin()
        before = self.files()
        counts = os.path.join(self.root, "counts")
        result = self.run(arguments, counts=counts)
        if result.returncode != 0:
            sys.exit(f"{name}: fails undisturbed: {result.stderr}")
        good = self.files()
        with open(counts) as f:
            count = {kind: int(n) for kind, n in (line.split() for line in f)}
        if not count["open"]:
            sys.exit(f"{name}: the shim sees no calls: {self.shim}")
        tried = 0
        for kind in KINDS:
            faults = [f"{kind}:{n}{how}" for n in range(1, count[kind] + 1, ALLOCATIONS_STEP if kind == "alloc" else 1)
                      for how in (["", ":on", ":kill"] if kind != "alloc" else [""])]
            step = max(1, round(len(faults) / share)) if share else 1
            for fault in faults[step // 2::step]:
                wrong = self.judge(arguments, fault, before, good, again)
                tried += 1
                if wrong:
                    self.wrong.append(f"{name}, {fault}: {wrong}")
                    print(f"  {self.wrong[-1]}", flush=True)
        self.tried += tried
        for old in outputs:
            os.remove(os.path.join(self.template, old))
        print(f"{name:7} {tried:5} faults, of " + ", ".join(f"{count[k]} {k}" for k in KINDS if count[k]), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("whisker")
    parser.add_argument("shim")
    parser.add_argument("fixture", help="the program that makes the photos and the network (tests/cli/fixture.c)")
    parser.add_argument("--runs", type=int, help="about so many faults in all")
    parser.add_argument("--command", help="only this one: " + ", ".join(c[0] for c in COMMANDS))
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        sweep = Sweep(os.path.abspath(o.whisker), os.path.abspath(o.shim), os.path.abspath(o.fixture), os.path.realpath(root))
        sweep.prepare()
        for name, arguments, outputs, again in COMMANDS:
            if not o.command or o.command == name:
                sweep.command(name, arguments, outputs, again, o.runs / len(COMMANDS) / len(KINDS) if o.runs else 0)
    print(f"{sweep.tried} faults, {len(sweep.wrong)} went wrong")
    return 1 if sweep.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
