#!/usr/bin/env python3
"""The shortest Python that names what a photo shows, as one process: Pillow, NumPy, ONNX Runtime.

    predict_onnxruntime.py NET.onnx PHOTO [--threads 2]

NET.onnx: efficientnet_lite0 with its classifier, made by bench/predict.py. Prints one JSON object.
"""
import json
import sys

import numpy as np
import onnxruntime as ort
from PIL import Image

from photos_pillow import crop

net, path, threads = sys.argv[1], sys.argv[2], int(sys.argv[4]) if len(sys.argv) > 4 else 2
x = crop(Image.open(path).convert("RGB"))
options = ort.SessionOptions()
options.intra_op_num_threads = threads
session = ort.InferenceSession(net, options, providers=["CPUExecutionProvider"])
score = session.run(None, {"input": x.transpose(2, 0, 1)[None]})[0][0]
p = np.exp(score - score.max())
print(json.dumps({"class": int(score.argmax()), "p": float(p.max() / p.sum())}))
