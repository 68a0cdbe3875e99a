#!/usr/bin/env python3
"""Writes tests/golden/checkpoints: tiny checkpoints as training scripts and frameworks leave them.

Weights lie under keys of all kinds, beside objects of classes that a reader does not have, in whole modules, in
TorchScript programs, in several files with an index, and in NumPy's archives. test_checkpoints.c knows the values: the
network is fc.weight = 0 1 2 3 in two rows, fc.bias = 0 1; of a second network all are 10 more.
Needs PyTorch, NumPy and safetensors. Classes of frameworks that are not needed for it are stood in for by name."""
import argparse
import collections
import datetime
import enum
import functools
import json
import os
import pathlib
import sys
import types

import numpy as np
import torch
from safetensors.torch import save_file

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "checkpoints")


def weights(prefix="", plus=0.0):
    ramp = torch.arange(4, dtype=torch.float32)
    return collections.OrderedDict([(prefix + "fc.weight", ramp.reshape(2, 2) + plus), (prefix + "fc.bias", ramp[:2] + plus)])


def foreign(module, name, base=object, **members):
    """A class that says it is module.name, and can be pickled as such."""
    parts = module.split(".")
    for i in range(len(parts)):
        sys.modules.setdefault(".".join(parts[: i + 1]), types.ModuleType(".".join(parts[: i + 1])))
    made = type(name, (base,), {"__module__": module, "__qualname__": name, **members})
    setattr(sys.modules[module], name, made)
    return made


def of(kind, **attributes):
    value = kind()
    value.__dict__.update(attributes)
    return value


def sidecars():
    """What lies beside weights."""
    config = foreign("omegaconf.dictconfig", "DictConfig")
    node = foreign("omegaconf.nodes", "AnyNode")
    slots = foreign("project.config", "Slots", __slots__=("a", "b"))
    with_slots = slots()
    with_slots.a, with_slots.b = 1, {"c": 2}
    kept = foreign("project.types", "OwnList", list)([1, 2])
    mapping = foreign("project.types", "OwnDict", dict)(a=1)
    color = enum.Enum("Color", "red")
    color.__module__, color.__qualname__ = "project.types", "Color"
    sys.modules["project.types"].Color = color
    made = foreign("project.types", "Keywords", __new__=lambda cls, *, size=1: object.__new__(cls),
                   __reduce_ex__=lambda self, protocol: (functools.partial(type(self), size=2), ()))
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    defaults = collections.defaultdict(list)
    defaults["loss"].append(np.float64(0.25))
    return {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1, device=torch.device("cpu"), out=pathlib.PurePosixPath("out"), size=(2, 3)),
        "best": np.float32(0.5), "history": defaults, "curve": np.arange(6.0).reshape(2, 3), "names": {"a", "b"},
        "cfg": of(config, _content={"lr": of(node, _val=0.1), "again": of(node, _val=None)}, _parent=None),
        "slots": with_slots, "list": kept, "dict": mapping, "color": color.red, "keywords": made(), "z": 1 + 2j,
        "when": datetime.datetime(2020, 1, 2), "optimizer": optimizer.state_dict(), "counter": collections.Counter("aab"),
        "rng_state": torch.get_rng_state()[:16].clone(), "torch_rng": torch.get_rng_state()[:16].clone(),
        "complex": torch.zeros(2, dtype=torch.complex64), "big": 1 << 80, "bytes": bytearray(b"abc"), "metric": torch.tensor(0.5),
    }


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(2, 2)
        self.norm = torch.nn.BatchNorm1d(2)
        self.register_buffer("scratch", torch.zeros(3), persistent=False)
        self.load_state_dict({**self.state_dict(), **weights()})

    def forward(self, x):
        return self.norm(self.fc(x))


def save(name, value, **options):
    torch.save(value, os.path.join(OUT, name), **options)


def pytorch():
    aside = sidecars()
    save("beside.pth", {**aside, "state_dict": weights("module.")})
    no_complex = {k: v for k, v in aside.items() if k != "complex"}
    save("beside_legacy.pth", {**no_complex, "state_dict": weights()}, _use_new_zipfile_serialization=False)
    save("beside_protocol4.pth", {**aside, "state_dict": weights()}, pickle_protocol=4)
    save("own_key.pth", {"epoch": 1, "weights_of_mine": weights(), "rng": torch.zeros(3)})
    save("nested.pth", {"run": {"best": {"model_ema": weights()}}, "epoch": 1})
    save("two.pth", {"student": weights(), "teacher": weights(plus=10)})
    save("usual_and_ema.pth", {"state_dict_ema": weights(plus=10), "state_dict": weights()})
    save("prefixes.pth", {**weights("ema_model.", 10), **weights("model.")})
    lightning = foreign("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    attributes = foreign("pytorch_lightning.utilities.parsing", "AttributeDict", dict)
    save("lightning.ckpt", {"epoch": 2, "pytorch-lightning_version": "1.4.9", "callbacks": {lightning: {"best": torch.tensor(1.0)}},
                            "optimizer_states": [], "state_dict": weights(), "hyper_parameters": attributes(lr=0.1)})
    Net.__module__, Net.__qualname__ = "project.net", "Net"
    foreign("project.net", "Unused")
    sys.modules["project.net"].Net = Net
    save("whole.pth", Net())
    save("whole_legacy.pth", Net(), _use_new_zipfile_serialization=False)
    save("whole_in_dict.pth", {"model": torch.nn.DataParallel(Net()), "epoch": 1})
    learner, loss = foreign("fastai.learner", "Learner"), foreign("fastai.losses", "CrossEntropyLossFlat")
    save("learner.pkl", of(learner, model=Net(), loss_func=of(loss, axis=-1), dls=of(foreign("fastai.data.core", "DataLoaders")),
                           lr=0.001, path=pathlib.PurePosixPath(".")), pickle_protocol=2)


def scripts():
    torch.manual_seed(1)
    net = Net().eval()
    torch.jit.script(net).save(os.path.join(OUT, "script.pt"))
    torch.jit.trace(net, torch.zeros(1, 2)).save(os.path.join(OUT, "traced.pt"))
    torch.jit.freeze(torch.jit.script(net)).save(os.path.join(OUT, "frozen.pt"))


def shards():
    w = {k: v.contiguous() for k, v in weights().items()}
    names = ["model-00001-of-00002", "model-00002-of-00002"]
    for name, key in zip(names, w):
        save_file({key: w[key].clone()}, os.path.join(OUT, name + ".safetensors"))
        save(name + ".bin", {key: w[key].clone()})
    for ending, index in ((".safetensors", "model.safetensors.index.json"), (".bin", "pytorch_model.bin.index.json")):
        with open(os.path.join(OUT, index), "w") as f:
            json.dump({"metadata": {"total_size": 24}, "weight_map": {k: n + ending for n, k in zip(names, w)}}, f, indent=1)
            f.write("\n")


def numpy():
    w = {k: v.numpy() for k, v in weights().items()}
    more = {"fortran": np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4)), "half": np.arange(3, dtype=np.float16) / 2,
            "double": np.arange(3) / 2.0, "scalar": np.int64(7), "byte": np.arange(3, dtype=np.uint8)}
    np.savez(os.path.join(OUT, "stored.npz"), **w, **more)
    np.savez_compressed(os.path.join(OUT, "packed.npz"), **w, **more)
    np.savez(os.path.join(OUT, "object.npz"), **{"fc.weight": np.array([{}, 1], dtype=object)})


def main():
    os.makedirs(OUT, exist_ok=True)
    for name in os.listdir(OUT):
        os.remove(os.path.join(OUT, name))
    pytorch()
    scripts()
    shards()
    numpy()
    for name in os.listdir(OUT):
        os.chmod(os.path.join(OUT, name), 0o644)


if __name__ == "__main__":
    main()
