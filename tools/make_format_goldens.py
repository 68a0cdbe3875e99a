#!/usr/bin/env python3
"""Writes tests/golden/formats: tiny weight files that the readers must take, and hostile ones they must refuse.

Needs PyTorch and safetensors. Run it from anywhere. The legacy files differ from run to run in the names of their
storages, which are memory addresses.

test_formats.c knows the values in every accepted file. The hostile ones are pickles that
would run a command in a reader that executes them; the command only ever makes a file named /tmp/whisker-was-here.
"""
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import torch
from safetensors.torch import save_file

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "formats")


def ramp(*shape, dtype=torch.float32):
    """0, 1, 2, ... in the given shape."""
    n = 1
    for side in shape:
        n *= side
    return torch.arange(n).to(dtype).reshape(shape)


def plain():
    """One of each type, a scalar, and an empty tensor."""
    return OrderedDict(
        [
            ("conv.weight", ramp(2, 3, 1, 2)),
            ("half", ramp(3, dtype=torch.float16) / 2),
            ("brain", ramp(3, dtype=torch.bfloat16) / 2),
            ("double", ramp(3, dtype=torch.float64) / 2),
            ("long", ramp(3, dtype=torch.int64) - 1),
            ("int", ramp(3, dtype=torch.int32) - 1),
            ("short", ramp(3, dtype=torch.int16) - 1),
            ("char", ramp(3, dtype=torch.int8) - 1),
            ("byte", ramp(3, dtype=torch.uint8)),
            ("bool", torch.tensor([True, False])),
            ("scalar", torch.tensor(7)),
            ("empty", torch.zeros(0, 4)),
        ]
    )


def strided():
    """Views: transposed, channels-last, every other element, and two tensors on one storage."""
    base = ramp(12)
    return {
        "transposed": ramp(2, 3).t(),
        "channels_last": ramp(1, 3, 2, 2).contiguous(memory_format=torch.channels_last),
        "every_other": ramp(6)[1::2],
        "shared.a": base[:6].reshape(2, 3),
        "shared.b": base[6:],
        "single": torch.empty_strided((1, 3), (99, 1)).copy_(ramp(1, 3)),
    }


def checkpoint():
    """What a training script keeps: the network under a name, wrapped in DataParallel, among other things."""
    weights = OrderedDict([("module.fc.weight", torch.nn.Parameter(ramp(2, 2))), ("module.fc.bias", ramp(2))])
    return {"epoch": 3, "best": 0.5, "name": "tiny", "history": [1.0, (2, None)], "state_dict": weights}


def codebook():
    """Clustered weights: bytes, a table of values, a bias."""
    state = {}
    for layer, rows in (("block1_conv1", 2), ("block1_conv2", 1), ("block2_conv1", 1), ("other", 1)):
        state[layer + "_W_q"] = ramp(rows, 2, 1, 1, dtype=torch.uint8)
        state[layer + "_W_table"] = ramp(4) / 2
        state[layer + "_b"] = ramp(rows) + 5
    return state


def save(name, value, **options):
    torch.save(value, os.path.join(OUT, name), **options)


def rezip(name, source, method):
    """The same archive written again, as by a zip program."""
    with zipfile.ZipFile(os.path.join(OUT, source)) as old, zipfile.ZipFile(os.path.join(OUT, name), "w", method) as new:
        for info in old.infolist():
            fresh = zipfile.ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0))
            fresh.compress_type = method
            new.writestr(fresh, old.read(info.filename))


def write(name, data):
    with open(os.path.join(OUT, name), "wb") as file:
        file.write(data)


def as_legacy(payload):
    """A legacy .pth whose object pickle is `payload`."""
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    return head + pickle.dumps(machine, 2) + payload + pickle.dumps([], 2)


def as_zip(name, payload):
    with zipfile.ZipFile(os.path.join(OUT, name), "w", zipfile.ZIP_STORED) as file:
        for entry, data in (("evil/data.pkl", payload), ("evil/version", b"3\n")):
            file.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), data)


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def hostile():
    command = text("touch /tmp/whisker-was-here")
    pickles = {
        "reduce": b"\x80\x02cos\nsystem\n" + command + b"\x85R.",
        "stack_global": b"\x80\x04" + b"\x8c\x02os\x8c\x06system\x93" + command + b"\x85R.",
        "inst": b"\x80\x02(" + command + b"ios\nsystem\n.",
        "obj": b"\x80\x02(cos\nsystem\n" + command + b"o.",
        "newobj": b"\x80\x02csubprocess\nPopen\n" + command + b"\x85\x81.",
        "build": b"\x80\x02ccollections\nOrderedDict\n)R}" + text("__setstate__") + b"cos\nsystem\nsb" + command + b"b.",
        "eval": b"\x80\x02c__builtin__\neval\n" + text("__import__('os').system('touch /tmp/whisker-was-here')") + b"\x85R.",
        "getattr": b"\x80\x02cbuiltins\ngetattr\ncos\n__dict__\n" + text("system") + b"\x86R.",
        "dotted": b"\x80\x04\x8c\x05torch\x8c\x10serialization.os\x93.",
    }
    for name, payload in pickles.items():
        write(f"hostile_{name}.pth", as_legacy(payload))
    as_zip("hostile_zip.pth", pickles["reduce"])


def main():
    os.makedirs(OUT, exist_ok=True)
    for name in os.listdir(OUT):
        os.remove(os.path.join(OUT, name))
    for maker in (plain, strided, checkpoint):
        save(f"{maker.__name__}_zip.pth", maker())
        save(f"{maker.__name__}_legacy.pth", maker(), _use_new_zipfile_serialization=False)
    save("codebook.pth", codebook())
    save("protocol4_zip.pth", plain(), pickle_protocol=4)
    save("protocol4_legacy.pth", plain(), pickle_protocol=4, _use_new_zipfile_serialization=False)
    save("module.pth", torch.nn.Linear(2, 2))
    save("tensor.pth", ramp(3))
    save("numbers.pth", {"epoch": 1, "loss": 0.5})
    rezip("deflated.pth", "plain_zip.pth", zipfile.ZIP_DEFLATED)
    contiguous = OrderedDict((k, v.contiguous()) for k, v in plain().items())
    save_file(contiguous, os.path.join(OUT, "plain.safetensors"), metadata={"format": "pt", "note": "caf\u00e9"})
    hostile()
    for name in os.listdir(OUT):
        os.chmod(os.path.join(OUT, name), 0o644)


if __name__ == "__main__":
    main()
