"""What both PyTorch scripts share: the photos of class folders as their networks see them, and weight files."""
import torch
from PIL import Image

from photos_pillow import crop


class Photos(torch.utils.data.Dataset):
    def __init__(self, folder, classes):
        self.items = [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).iterdir())]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, label = self.items[index]
        return torch.from_numpy(crop(Image.open(path).convert("RGB"))).permute(2, 0, 1), label


def load(path):
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
