#!/usr/bin/env python3
"""One peer of bench/compare.py: runs one network with one library, a few seconds at a time, when told to on standard input.

    net_peer.py {eager,compile,onnxruntime,openvino} NET WEIGHTS.safetensors {throughput,latency,train,input} --threads 2 --batch 8

train is a whole training step with batch norm frozen, by plain SGD; input the gradient of one photo's pixels (PyTorch only).
Prints `ready VERSION LOGITS...` (ten logits of a fixed input, to check that all compute the same), then for every line `go SECONDS` one
line: photos a second.
"""
import argparse
import os
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("library")
parser.add_argument("net")
parser.add_argument("weights")
parser.add_argument("mode")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch", type=int, default=8)
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import numpy as np
import torch
from safetensors.torch import load_file

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nets

torch.set_num_threads(args.threads)
gradients = args.mode in ("train", "input")
torch.set_grad_enabled(gradients)
batch = 1 if args.mode in ("latency", "input") else args.batch
net = nets.make(args.net, load_file(args.weights))
side = nets.SIDES.get(args.net, 224)
data = np.random.RandomState(0).uniform(-1, 1, (batch, 3, side, side)).astype(np.float32)
# The check's input is the same for every batch size: a ramp.
probe = np.linspace(-1, 1, 3 * side * side, dtype=np.float32).reshape(1, 3, side, side)


def onnx_file(n):
    path = os.path.join(tempfile.mkdtemp(), "net.onnx")
    torch.onnx.export(net, (torch.zeros(n, 3, side, side),), path, input_names=["input"], output_names=["output"], dynamo=False,
                      opset_version=17, dynamic_axes={"input": {0: "n"}, "output": {0: "n"}})
    return path


if args.library in ("eager", "compile"):
    net = net.to(memory_format=torch.channels_last)
    x = torch.from_numpy(data).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        check = net(torch.from_numpy(probe))[0, :10].tolist()
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-6)
    label = torch.arange(batch) % 1000
    if args.mode == "input":
        net.requires_grad_(False)
        x.requires_grad_(True)
    if args.library == "compile":
        import torch._inductor.config

        torch._inductor.config.freezing = not gradients
        net = torch.compile(net)

    def run():
        if args.mode == "train":
            optimiser.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(net(x), label).backward()
            optimiser.step()
        elif args.mode == "input":
            x.grad = None
            net(x)[0, 0].backward()
        else:
            with torch.inference_mode():
                net(x)
        return batch

elif gradients:
    sys.exit(f"{args.library} computes no gradients")

elif args.library == "onnxruntime":
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = ort.InferenceSession(onnx_file(batch), options, providers=["CPUExecutionProvider"])
    check = session.run(None, {"input": probe})[0][0, :10].tolist()

    def run():
        session.run(None, {"input": data})
        return batch

else:
    import openvino as ov

    core = ov.Core()
    model = core.read_model(onnx_file(batch))
    model.reshape([batch, 3, side, side])
    streams = 1 if args.mode == "latency" else args.threads
    config = {"INFERENCE_NUM_THREADS": str(args.threads), "NUM_STREAMS": str(streams), "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(model, "CPU", config)
    requests = [compiled.create_infer_request() for _ in range(streams)]
    check = compiled(np.repeat(probe, batch, 0))[0][0, :10].tolist()
    for r in requests:
        r.infer({0: data})

    def run():
        for r in requests:
            r.start_async({0: data})
        for r in requests:
            r.wait()
        return batch * len(requests)


run()
version = {"onnxruntime": lambda: ort.__version__, "openvino": lambda: ov.__version__.split("-")[0]}
print("ready", version.get(args.library, lambda: torch.__version__)(), *check, flush=True)
for line in sys.stdin:
    seconds = float(line.split()[1])
    start = time.perf_counter()
    photos = 0
    while True:
        photos += run()
        spent = time.perf_counter() - start
        if spent >= seconds:
            break
    print(photos / spent, flush=True)
