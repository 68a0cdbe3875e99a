"""Every convolution with groups or dilation in torchvision's networks for images, as bench_grouped's table.

    python3 bench/grouped_shapes.py > bench/grouped_shapes.h

Needs torch and torchvision, no weights: the networks are only built, on torch's meta device. Each runs on one picture of
the size its first weights were tested with, segmentation on 520 x 520. Equal shapes are listed once, under the first name.
"""

import torch
import torchvision
import torchvision.models as models
from torch import nn
from torchvision.models.regnet import BlockParams

SEGMENTATION = 520
SIZES = {"ssd300_vgg16": 300, "ssdlite320_mobilenet_v3_large": 320}

HEADER = """/* grouped_shapes.h - convolutions with groups or dilation of torchvision %s; made by grouped_shapes.py. */
#ifndef BENCH_GROUPED_SHAPES_H
#define BENCH_GROUPED_SHAPES_H

typedef enum shape_class { SHAPE_GROUPS, SHAPE_DILATED, SHAPE_DEPTHWISE } shape_class;

typedef struct grouped_shape {
  shape_class kind;
  const char *net; /* the first that has it */
  int in_h, in_w, in_c, out_c, groups, kernel, stride, pad, dilation;
} grouped_shape;

static const grouped_shape grouped_shapes[] = {"""


def build(name):
    keywords = {"weights": None, "num_classes": 1000}
    if name.startswith(("deeplab", "fcn", "lraspp", "ssd")):
        keywords = {"weights": None, "weights_backbone": None}
    if name in ("googlenet", "inception_v3"):
        keywords["init_weights"] = False
    return models.get_model(name, **keywords)


def size_of(name):
    if name.startswith(("deeplab", "fcn", "lraspp")):
        return SEGMENTATION
    if name in SIZES:
        return SIZES[name]
    transforms = list(models.get_model_weights(name))[0].value.transforms
    size = getattr(transforms, "keywords", {}).get("crop_size", 224)
    return size[0] if isinstance(size, (list, tuple)) else size


def kind_of(conv):
    if conv.dilation != (1, 1):
        return 1
    return 2 if conv.groups == conv.in_channels == conv.out_channels else 0


def main():
    # RegNet computes its widths with tensors, which the meta device cannot read back.
    regnet_blocks = BlockParams.from_init_params.__func__

    def on_cpu(cls, *args, **keywords):
        with torch.device("cpu"):
            return regnet_blocks(cls, *args, **keywords)

    BlockParams.from_init_params = classmethod(on_cpu)
    shapes = {}
    for name in models.list_models(module=models) + models.list_models(module=models.segmentation) + sorted(SIZES):
        with torch.device("meta"):
            net = build(name)
            net = (net.backbone if name in SIZES else net).eval()
            size = size_of(name)

            def note(conv, inputs, _output, name=name):
                _, channels, height, width = inputs[0].shape
                assert conv.kernel_size[0] == conv.kernel_size[1] and conv.stride[0] == conv.stride[1]
                assert conv.padding[0] == conv.padding[1] and conv.dilation[0] == conv.dilation[1]
                key = (height, width, channels, conv.out_channels, conv.groups, conv.kernel_size[0], conv.stride[0],
                       conv.padding[0], conv.dilation[0])
                shapes.setdefault((kind_of(conv), key), name)

            convs = [m for m in net.modules() if isinstance(m, nn.Conv2d) and (m.groups > 1 or m.dilation != (1, 1))]
            for conv in convs:
                conv.register_forward_hook(note)
            if convs:
                net(torch.zeros(1, 3, size, size))
    print(HEADER % torchvision.__version__.split("+")[0])
    kinds = ("SHAPE_GROUPS", "SHAPE_DILATED", "SHAPE_DEPTHWISE")
    for (kind, key), name in sorted(shapes.items(), key=lambda item: (item[0][0], item[1], -item[0][1][0], item[0][1])):
        print(f'    {{{kinds[kind]}, "{name}", {", ".join(map(str, key))}}},')
    print("};\n\n#endif")


main()
