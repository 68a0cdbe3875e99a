"""A photo as efficientnet_lite0 sees it, by Pillow; what the peers share that do not import PyTorch."""
import numpy as np
from PIL import Image


def crop(photo):
    """Shorter side 256, the middle 224 x 224, (x - 127) / 128: [224, 224, 3]."""
    width, height = photo.size
    shorter = min(width, height)
    photo = photo.resize((int(256 * width / shorter), int(256 * height / shorter)), Image.BICUBIC)
    width, height = photo.size
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    return (np.asarray(photo.crop((left, top, left + 224, top + 224)), dtype=np.float32) - 127) / 128
