#!/usr/bin/env python3
"""Runs a model's exports in the runtimes they are for, and compares with what whisker says itself.

    tools/check_exports.py WHISKER MODEL PHOTOS [--most N] [--calibrate DATA] [--only NAME,...]

Each runtime is given the very pixels that whisker's network sees (`whisker embed --layer input`), so that the logits may
differ by rounding alone: by 1e-4 of the largest at most, and the first class of every photo is the same. In 8 bits as many
photos are named rightly (their folder says how), but for 0.5%. Runtimes that are not installed are skipped, and said so. The exit code
is 1 where something differs."""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile

BOUND = 1e-4
SMALL_BOUND = 0.005


def has(*modules):
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception:  # not there, or not usable
            return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("whisker")
    parser.add_argument("model")
    parser.add_argument("photos")
    parser.add_argument("--most", type=int, default=0, help="photos, spread over the collection; 0: all")
    parser.add_argument("--calibrate", help="photos for int8; default: those that are compared")
    parser.add_argument("--only", help="ways, separated by commas")
    args = parser.parse_args()
    if not has("numpy"):
        print("skipped: numpy is not here")
        return 0
    check = Check(args)
    ways = [name for name in dir(check) if name.startswith("way_")]
    for way in ways:
        if not args.only or way[4:] in args.only.split(","):
            getattr(check, way)()
    return 1 if check.bad else 0


MAIN = """
#include <stdio.h>
#define NETWORK_IMPLEMENTATION
#include "network.h"
static float weights[NETWORK_WEIGHT_BYTES / 4], score[NETWORK_CLASSES];
static NUMBER work[NETWORK_WORK];
static unsigned char rgb[NETWORK_WIDTH * NETWORK_HEIGHT * 3];
int main(void) {
  FILE *f = fopen("network.weights", "rb");
  int i;
  if (!f || network_check(weights, fread(weights, 1, sizeof weights, f)))
    return 1;
  while (fread(rgb, 1, sizeof rgb, stdin) == sizeof rgb) {
    network_logits(score, rgb, weights, work);
    for (i = 0; i < NETWORK_CLASSES; i++)
      printf("%.9g%s", score[i], i + 1 < NETWORK_CLASSES ? " " : "\\n");
  }
  return 0;
}
"""


class Check:
    def __init__(self, args):
        import numpy as np

        self.np, self.args, self.bad = np, args, False
        self.dir = tempfile.TemporaryDirectory()
        self.paths = self.choose(args.photos, args.most)
        listed = self.whisker("predict", args.model, *self.paths, "-k", "64", "--json")
        kept = {p["file"]: p for p in json.loads(listed)["predictions"]}
        self.paths = [p for p in self.paths if p in kept]
        self.names = {g["index"]: g["label"] for p in kept.values() for g in p["top"]}
        self.classes = self.export("count.onnx")[1]["classes"]
        self.logs = np.full((len(self.paths), self.classes), np.nan)  # of the 64 best classes of each photo
        for row, name in enumerate(self.paths):
            for guess in kept[name]["top"]:
                self.logs[row, guess["index"]] = np.log(max(guess["p"], 1e-300))
        out = os.path.join(self.dir.name, "pixels.npy")
        self.whisker("embed", args.model, *self.paths, "--layer", "input", "-o", out)
        flat = np.load(out)
        side = int(round((flat.shape[1] / 3) ** 0.5))
        self.pixels = flat.reshape(len(self.paths), side, side, 3)
        print(f"{len(self.paths)} photos, {self.classes} classes, {side} x {side}")

    def choose(self, photos, most):
        """Photos of a folder, spread over it."""
        found = sorted(os.path.join(at, name) for at, _, names in os.walk(photos) for name in names)
        return [found[i * len(found) // most] for i in range(most)] if 0 < most < len(found) else found

    def center(self, logits):
        """Logits are compared up to a constant, on the classes that are known: it makes no difference to them."""
        known = self.np.where(self.np.isnan(self.logs), self.np.nan, logits)
        return known - self.np.nanmean(known, axis=1, keepdims=True)

    def whisker(self, *words):
        done = subprocess.run([self.args.whisker, *words], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(words[:2])}: {done.stderr.strip()}")
        return done.stdout

    def export(self, name, *flags):
        path = os.path.join(self.dir.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        report = json.loads(self.whisker("export", self.args.model, "-o", path, "--json", *flags))
        return path, report

    def judge(self, name, logits, report, small=False):
        np = self.np
        logits = np.asarray(logits, dtype=np.float64)
        want, have = self.center(self.logs), self.center(logits)
        difference = float(np.nanmax(np.abs(have - want)) / np.nanmax(np.abs(want)))
        first, own = logits.argmax(1), np.nanargmax(self.logs, axis=1)
        changed = int((first != own).sum())
        lost = self.right(own) - self.right(first) if self.right(own) else changed  # folders may be no classes
        fine = lost <= SMALL_BOUND * len(have) if small else changed == 0 and difference <= BOUND
        self.bad |= not fine
        print(
            f"{name:24} logits {difference:.1e} of the largest, first class differs on {changed} of {len(have)}; "
            f"{f'{self.right(own)} right, in 8 bits {self.right(first)}; ' if small else ''}"
            f"read back by whisker: {report['max_rel_diff']:.1e}{'' if fine else '  <- too much'}"
        )

    def right(self, classes):
        """How many photos are of the class that their folder is named after."""
        folders = [os.path.basename(os.path.dirname(path)) for path in self.paths]
        return sum(self.names.get(int(k)) == folder for k, folder in zip(classes, folders))

    def bytes(self, path):
        how = json.loads(self.metadata(path))
        np = self.np
        return np.rint(self.pixels * np.array(how["std"]) + np.array(how["mean"])).clip(0, 255)

    def metadata(self, onnx_path):
        import onnxruntime

        return onnxruntime.InferenceSession(onnx_path).get_modelmeta().custom_metadata_map["preprocess"]

    def way_onnx(self):
        if not has("onnxruntime"):
            print("skipped: onnxruntime is not here")
            return
        import onnxruntime

        for where in ("outside", "inside"):
            path, report = self.export(f"{where}.onnx", "--preprocessing", where)
            session = onnxruntime.InferenceSession(path)
            pixels = self.pixels if where == "outside" else self.bytes(path)
            pixels = pixels.transpose(0, 3, 1, 2).astype(self.np.float32)
            name = session.get_inputs()[0].name
            logits = [session.run(None, {name: pixels[i : i + 20]})[0] for i in range(0, len(pixels), 20)]
            self.judge(f"onnx, {where}", self.np.concatenate(logits), report)

    def torch_logits(self, network):
        import torch

        network.eval()
        with torch.no_grad():
            pixels = torch.from_numpy(self.np.ascontiguousarray(self.pixels.transpose(0, 3, 1, 2)))
            return torch.cat([network(pixels[i : i + 20]) for i in range(0, len(pixels), 20)]).numpy()

    def way_torch(self):
        if not has("torch", "torchvision"):
            print("skipped: torch and torchvision are not here")
            return
        import torch
        import torchvision

        name = json.loads(self.whisker("info", self.args.model, "--json"))["arch"].split(".")[0]
        if not hasattr(torchvision.models, name):
            print(f"skipped: torchvision has no {name}")
            return
        path, report = self.export("model.pth")
        network = getattr(torchvision.models, name)(num_classes=self.classes)
        network.load_state_dict(torch.load(path, weights_only=True))
        self.judge("torch, torchvision", self.torch_logits(network), report)

    def way_timm(self):
        if not has("torch", "timm"):
            print("skipped: timm is not here")
            return
        import timm

        path, report = self.export("timm/model.safetensors")
        network = timm.create_model("local-dir:" + os.path.dirname(path), pretrained=True)
        self.judge("safetensors, timm", self.torch_logits(network), report)

    def keras(self, name, path, pixels, report):
        import keras

        whole = keras.models.load_model(path, compile=False)
        before = [layer for layer in whole.layers if layer.name != whole.layers[-1].name][-1]
        network = keras.Model(whole.inputs, before.output)
        logits = [self.np.asarray(network.predict(pixels[i : i + 20], verbose=0)) for i in range(0, len(pixels), 20)]
        self.judge(f"{name}, Keras {keras.__version__}", self.np.concatenate(logits), report)

    def way_keras(self):
        os.environ.setdefault("KERAS_BACKEND", "torch")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        if not has("keras"):
            print("skipped: keras is not here")
            return
        import keras

        how, _ = self.export("how.onnx")
        for ending in ("h5", "keras"):
            if ending == "keras" and keras.__version__ < "3":
                continue
            path, report = self.export(f"outside.{ending}")
            self.keras(f"{ending}, outside", path, self.pixels, report)
            path, report = self.export(f"inside.{ending}", "--preprocessing", "inside")
            self.keras(f"{ending}, inside", path, self.bytes(how).astype(self.np.float32), report)

    def way_teachable(self):
        import shutil

        if not shutil.which("node"):
            print("skipped: node is not here")
            return
        np = self.np
        path, report = self.export("teachable", "--format", "teachable")
        how, _ = self.export("how.onnx")
        seen = os.path.join(self.dir.name, "seen.raw")
        self.bytes(how).astype(np.uint8).tofile(seen)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check_teachable.js")
        done = subprocess.run(["node", script, path, seen], capture_output=True, text=True)
        if done.returncode == 77:
            print("skipped: node has no @tensorflow/tfjs (npm install it, and set NODE_PATH)")
            return
        if done.returncode:
            sys.exit(f"teachable: {done.stderr.strip()}")
        probability = np.array(json.loads(done.stdout.strip().splitlines()[-1]))
        self.judge("teachable, tfjs", np.log(np.maximum(probability, 1e-30)), report)

    def way_c(self):
        import shutil

        if not shutil.which("cc"):
            print("skipped: no C compiler is here")
            return
        how, _ = self.export("how.onnx")
        pixels = self.bytes(how).astype(self.np.uint8).tobytes()
        self.run_c("plain C", "float", pixels)
        photos = self.args.calibrate or self.args.photos
        self.run_c("plain C, int8", "signed char", pixels, "--precision", "int8", "--calibrate", photos)

    def run_c(self, name, number, pixels, *flags):
        np = self.np
        path, report = self.export(f"c{len(flags)}/network.h", *flags)
        folder = os.path.dirname(path)
        with open(os.path.join(folder, "main.c"), "w") as f:
            f.write(MAIN.replace("NUMBER", number))
        strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"]
        subprocess.run(["cc", *strict, "main.c", "-o", "main", "-lm"], cwd=folder, check=True)
        done = subprocess.run(["./main"], cwd=folder, input=pixels, capture_output=True, check=True)
        logits = np.array([line.split() for line in done.stdout.decode().splitlines()], dtype=np.float64)
        self.judge(name, logits, report, small=bool(flags))

    def way_tflite(self):
        if not has("ai_edge_litert.interpreter"):
            print("skipped: ai-edge-litert is not here")
            return
        np = self.np
        path, report = self.export("float.tflite")
        self.judge("tflite", np.log(np.maximum(self.lite(path, self.pixels), 1e-30)), report)

    def way_tflite_int8(self):
        if not has("ai_edge_litert.interpreter", "onnxruntime"):
            print("skipped: ai-edge-litert and onnxruntime are not here")
            return
        np = self.np
        path, report = self.export("small.tflite", "--precision", "int8", "--calibrate", self.args.calibrate or self.args.photos)
        how, _ = self.export("how.onnx")
        probability = self.lite(path, self.bytes(how).astype(np.uint8)).astype(np.float64)
        self.judge("tflite, int8", np.log(np.maximum(probability, 0.5) / 256), report, small=True)

    def lite(self, path, pixels):
        from ai_edge_litert.interpreter import Interpreter

        np = self.np
        runner = Interpreter(path)
        runner.allocate_tensors()
        at, out = runner.get_input_details()[0], runner.get_output_details()[0]
        answers = []
        for one in pixels:
            runner.set_tensor(at["index"], np.ascontiguousarray(one[None], dtype=at["dtype"]))
            runner.invoke()
            answers.append(runner.get_tensor(out["index"])[0].copy())
        return np.array(answers)


if __name__ == "__main__":
    sys.exit(main())
