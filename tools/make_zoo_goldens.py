#!/usr/bin/env python3
"""Writes tests/golden/zoo.txt: what every architecture of the zoo must compute, from torchvision and PyTorch.

    /usr/bin/python3 tools/make_zoo_goldens.py > tests/golden/zoo.txt      (Debian: apt install python3-torchvision; pip install timm)
    /usr/bin/python3 tools/make_zoo_goldens.py NAME... >> tests/golden/zoo.txt

Weights follow the rule of golden_weights.py, which tests/golden/test_zoo_golden.c computes as well.
EfficientNet-Lite under the names of EfficientNet-PyTorch and simple_cnn, which torchvision does not have, are defined here.
"""
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from golden_weights import parameter, uniform

SAMPLES = 32


# ---- the weights ---------------------------------------------------------------------------------------------------


def fill(model):
    state = {k: v if k.endswith("num_batches_tracked") else parameter(k, v.shape) for k, v in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


# ---- networks that torchvision does not have -----------------------------------------------------------------------


class SameConv(nn.Conv2d):
    """TensorFlow's SAME padding."""

    def forward(self, x):
        for axis, pads in ((3, 0), (2, 2)):
            k, s, n = self.kernel_size[axis - 2], self.stride[axis - 2], x.shape[axis]
            total = max((-(-n // s) - 1) * s + k - n, 0)
            x = F.pad(x, [0] * pads + [total // 2, total - total // 2])
        return super().forward(x)


class MBConv(nn.Module):
    def __init__(self, cin, expand, cout, kernel, stride):
        super().__init__()
        hidden = cin * expand
        if expand > 1:
            self._expand_conv = SameConv(cin, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden, eps=1e-3)
        self._depthwise_conv = SameConv(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = nn.BatchNorm2d(hidden, eps=1e-3)
        self._project_conv = SameConv(hidden, cout, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(cout, eps=1e-3)
        self.expand, self.skip = expand > 1, stride == 1 and cin == cout

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expand else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skip else y


def round_to_8(channels):
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class EfficientNetLite(nn.Module):
    GROUPS = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]

    def __init__(self, width=1.0, depth=1.0):
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        blocks, channels = [], 32
        for n, (repeats, kernel, stride, expand, out) in enumerate(self.GROUPS):
            out = round_to_8(out * width)
            for i in range(repeats if n in (0, 6) else math.ceil(repeats * depth)):
                blocks.append(MBConv(channels, expand, out, kernel, stride if i == 0 else 1))
                channels = out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(channels, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=1e-3)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x, layers):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        layers["_relu0"] = x
        for i, block in enumerate(self._blocks):
            x = block(x)
            layers[f"_blocks.{i}." + ("add" if block.skip else "_bn2")] = x
        x = F.relu6(self._bn1(self._conv_head(x)))
        layers["_avg_pooling"] = x = x.mean((2, 3))
        layers["_fc"] = self._fc(x)


class SimpleCnn(nn.Module):
    def __init__(self):
        super().__init__()
        channels = 3
        for b, out in ((1, 32), (2, 64), (3, 128)):
            block = nn.Module()
            block.conv1, block.bn1 = nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)
            block.conv2, block.bn2 = nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)
            setattr(self, f"block{b}", block)
            channels = out
        self.fc = nn.Linear(128, 10)

    def forward(self, x, layers):
        for name in ("block1", "block2", "block3"):
            block = getattr(self, name)
            x = F.relu(block.bn1(block.conv1(x)))
            x = F.relu(block.bn2(block.conv2(x)))
            layers[f"{name}.pool"] = x = F.max_pool2d(x, 2)
        layers["avgpool"] = x = x.mean((2, 3))
        layers["fc"] = self.fc(x)


# ---- what is looked at ---------------------------------------------------------------------------------------------


def resnet_layers(depth, last):
    return ["maxpool", *(f"layer{i + 1}.{n - 1}.{last}" for i, n in enumerate(depth)), "avgpool", "fc"]


def vgg_layers(features):
    pools = [i for i, module in enumerate(features) if isinstance(module, nn.MaxPool2d)]
    return [*(f"features.{i}" for i in pools), "avgpool", "classifier.4", "classifier.6"]


# torchvision's convolution + norm + activation is one node to its tracer, "features.0", and so is its squeeze-and-excite;
# their last parts are meant.
TRACED = {
    "mobilenet_v2": {"features.0": "features.0.2", "features.1.conv.2": "", "features.3.add": "", "features.6.add": "",
                     "features.13.add": "", "features.17.conv.3": "", "features.18": "features.18.2", "classifier.1": ""},
    "mobilenet_v3_small": {"features.0": "features.0.2", "features.1.block.1": "features.1.block.1.mul", "features.3.add": "",
                           "features.6.add": "", "features.8.block.2": "features.8.block.2.mul", "features.11.add": "",
                           "features.12": "features.12.2", "classifier.1": "", "classifier.3": ""},
    "mobilenet_v3_large": {"features.0": "features.0.2", "features.1.add": "", "features.4.block.2": "features.4.block.2.mul",
                           "features.6.add": "", "features.10.add": "", "features.13.block.2": "features.13.block.2.mul",
                           "features.15.add": "", "features.16": "features.16.2", "classifier.1": "", "classifier.3": ""},
    "efficientnet_b0": {"features.0": "features.0.2", "features.1.0.block.1": "features.1.0.block.1.mul", "features.2.1.add": "",
                        "features.3.1.add": "", "features.5.2.add": "", "features.6.3.add": "", "features.8": "features.8.2",
                        "classifier.1": ""},
}
RESNETS = {"resnet18": ([2, 2, 2, 2], "relu_1"), "resnet34": ([3, 4, 6, 3], "relu_1"), "resnet50": ([3, 4, 6, 3], "relu_2"),
           "resnet101": ([3, 4, 23, 3], "relu_2"), "resnet152": ([3, 8, 36, 3], "relu_2")}
OWN = {"efficientnet_lite0": (EfficientNetLite, ["_relu0", "_blocks.0._bn2", "_blocks.2.add", "_blocks.4.add", "_blocks.10.add",
                                                   "_blocks.14.add", "_blocks.15._bn2", "_avg_pooling", "_fc"]),
       "simple_cnn": (SimpleCnn, ["block1.pool", "block2.pool", "block3.pool", "avgpool", "fc"])}


# Networks of which features and scores alone are kept; every width and depth of a family goes through the same code.
LITES = {"efficientnet_lite1": (1.0, 1.1), "efficientnet_lite2": (1.1, 1.2), "efficientnet_lite3": (1.2, 1.4), "efficientnet_lite4": (1.4, 1.8)}
WIDTHS = {f"mobilenet_v2_x{str(w).replace('.', '_')}": w for w in (0.35, 0.5, 0.75, 1.4)}
TORCHVISION = [
    "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
    *(f"regnet_{x}_{size}" for x in "xy" for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf")),
    "densenet121", "densenet161", "densenet169", "densenet201", "googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "alexnet",
    "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_v2_s", "convnext_tiny",
]
TIMM = {name: name for name in (
    "seresnet50", "seresnet101", "seresnet152", "mobilenetv1_100", "mobilenetv1_125", "mobilenetv2_035", "mobilenetv2_050",
    "mobilenetv2_075", "mobilenetv2_100", "mobilenetv2_110d", "mobilenetv2_120d", "mobilenetv2_140", "mobilenetv4_conv_small",
    "mobilenetv4_conv_medium", "mobilenetv4_conv_large", "tf_efficientnet_lite0", "tf_efficientnet_lite1",
    "tf_efficientnet_lite2", "tf_efficientnet_lite3", "tf_efficientnet_lite4", "convnext_nano", "convnext_nano_ols",
    "convnext_tiny_hnf",
)} | {"xception": "legacy_xception"}
ENDS = [*LITES, *WIDTHS, *TORCHVISION, *TIMM]


def make_end(name):
    """The network, and the layer whose input is its features."""
    if name in LITES:
        model = EfficientNetLite(*LITES[name])
        return model, model._fc
    if name in WIDTHS:
        model = torchvision.models.mobilenet_v2(width_mult=WIDTHS[name])
    elif name in TIMM:
        import timm

        model = timm.create_model(TIMM[name])
    elif name in ("googlenet", "inception_v3"):
        model = getattr(torchvision.models, name)(aux_logits=False, init_weights=False)
    else:
        model = getattr(torchvision.models, name)()
    if name.startswith("squeezenet"):
        return model, model.classifier[1]
    return model, [m for m in model.modules() if isinstance(m, nn.Linear)][-1]


def run_end(model, last, x):
    seen = []
    last.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    if isinstance(model, EfficientNetLite):
        layers = {}
        model(x, layers)
        logits = layers["_fc"]
    else:
        logits = model(x)
    features = seen[0].mean((2, 3)) if seen[0].dim() == 4 else seen[0].flatten(1)
    return {"@features": features, "@logits": logits}


def network(name):
    """A function from the input to {layer: output}, and the layers that are kept."""
    if name in ENDS:
        model, last = make_end(name)
        fill(model).double()  # the deepest of them lose three digits in float32
        return lambda x: run_end(model, last, x.double()), ["@features", "@logits"]
    if name in OWN:
        make, names = OWN[name]
        model = fill(make())

        def run(x):
            layers = {}
            model(x, layers)
            return layers

        return run, names
    model = fill(getattr(torchvision.models, name)())
    if name in TRACED:
        nodes = {traced: ours or traced for traced, ours in TRACED[name].items()}
    else:
        names = resnet_layers(*RESNETS[name]) if name in RESNETS else vgg_layers(model.features)
        nodes = {n: n for n in names}
    return create_feature_extractor(model, return_nodes=nodes), list(nodes.values())


def make_input(height, width):
    return (2 * torch.from_numpy(uniform("input", height * width * 3)).reshape(1, height, width, 3)).permute(0, 3, 1, 2).contiguous()


def write_layer(layer, y):
    """Pixels are written channels last, anything else as a row."""
    y = (y.permute(1, 2, 0) if y.dim() == 3 else y.reshape(1, 1, -1)).contiguous().double().numpy()
    flat = y.reshape(-1)
    position = (np.arange(SAMPLES, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(12345)) % np.uint64(flat.size)
    norm = np.sqrt((flat**2).mean())
    print("layer", layer, *y.shape, f"{norm:.7g}", *(f"{v:.6g}" for v in flat[position]))


def write_case(name, height, width, run, names):
    with torch.no_grad():
        out = run(make_input(height, width))
    print(f"case {name} {height} {width}")
    for layer in names:
        write_layer(layer, out[layer][0])


def main():
    all_names = ["efficientnet_lite0", *TRACED, *RESNETS, *(f"vgg{n}{bn}" for n in (11, 13, 16, 19) for bn in ("", "_bn")), "simple_cnn", *ENDS]
    names = sys.argv[1:] or all_names
    if not sys.argv[1:]:
        print("# made by tools/make_zoo_goldens.py; layer NAME height width channels, root mean square, then samples of NHWC")
    for name in names:
        run, layers = network(name)
        # Neither square nor a multiple of anything, so that no two sides can be taken for each other.
        if name == "simple_cnn":
            write_case(name, 32, 32, run, layers)
            write_case(name, 30, 25, run, layers)
        else:
            write_case(name, 97, 75, run, layers)
            if name not in ENDS:
                write_case(name, 224, 224, run, layers[-1:])
        print(name, "done", file=sys.stderr)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
