"""What both PyTorch scripts share: the photos of class folders as their networks see them, and weight files."""
import numpy as np
import torch
from PIL import Image


class Photos(torch.utils.data.Dataset):
    def __init__(self, folder, classes):
        self.items = [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).iterdir())]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, label = self.items[index]
        photo = Image.open(path).convert("RGB")
        width, height = photo.size
        shorter = min(width, height)
        photo = photo.resize((int(256 * width / shorter), int(256 * height / shorter)), Image.BICUBIC)
        width, height = photo.size
        left, top = round((width - 224) / 2), round((height - 224) / 2)
        pixels = np.asarray(photo.crop((left, top, left + 224, top + 224)))
        return torch.from_numpy((pixels.astype(np.float32) - 127) / 128).permute(2, 0, 1), label


def load(path):
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
