#!/usr/bin/env python3
"""Writes tests/golden/gradients.txt: gradients of whole networks, from torchvision, timm and PyTorch.

    python3 tools/make_gradient_goldens.py > tests/golden/gradients.txt      (needs what make_zoo_goldens.py needs)

The loss is a fixed weighting of the scores. Batch norm uses its running statistics. In float64: the deepest lose digits in float32.
"""
import torch

from golden_weights import uniform
from make_zoo_goldens import fill, make_end, make_input, write_layer

# The gradients that are kept besides that of the pixels: convolutions first and late, every kind of norm, the classifier.
NETWORKS = {
    "densenet121": ["features.conv0.weight", "features.denseblock2.denselayer7.norm1.weight", "features.denseblock2.denselayer7.norm1.bias",
                    "features.denseblock4.denselayer16.conv2.weight", "features.norm5.bias", "classifier.weight"],
    "inception_v3": ["Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch_pool.conv.weight", "Mixed_6c.branch7x7dbl_3.bn.weight",
                     "Mixed_7c.branch3x3_2b.conv.weight", "Mixed_7c.branch1x1.bn.bias", "fc.weight"],
    "convnext_tiny": ["features.0.0.weight", "features.0.1.weight", "features.1.0.block.0.weight", "features.1.2.block.2.bias",
                      "features.3.1.layer_scale", "features.4.1.weight", "features.5.4.block.3.weight", "features.5.4.block.5.bias",
                      "features.7.2.block.2.weight", "features.7.2.layer_scale", "classifier.0.weight", "classifier.2.weight"],
    "convnext_nano": ["stem.0.weight", "stages.1.blocks.1.conv_dw.weight", "stages.2.blocks.7.gamma", "stages.3.blocks.0.mlp.fc2.weight",
                      "stages.3.downsample.0.bias", "head.norm.bias", "head.fc.bias"],
}


def main():
    print("# made by tools/make_gradient_goldens.py; as zoo.txt, but of gradients: of the pixels, then of parameters")
    for name, kept in NETWORKS.items():
        model, _ = make_end(name)
        fill(model).double()
        x = make_input(97, 75).double().requires_grad_()
        scores = model(x)
        (scores * torch.from_numpy(uniform("loss", scores.numel())).double()).sum().backward()
        print(f"case {name} 97 75")
        write_layer("@pixels", x.grad[0])
        parameters = dict(model.named_parameters())
        for parameter in kept:
            write_layer(parameter, parameters[parameter].grad.reshape(-1))


main()
