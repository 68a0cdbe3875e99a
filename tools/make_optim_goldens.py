#!/usr/bin/env python3
"""Writes tests/golden/optim_golden.h: what PyTorch's optimisers, schedules, losses and clipping give on small data. LAMB and Lion, which
PyTorch has not got, follow the pseudocode of their papers.

    python3 tools/make_optim_goldens.py > tests/golden/optim_golden.h        (needs PyTorch)
"""
import math

import torch
import torch.nn.functional as F

torch.manual_seed(3)
torch.set_num_threads(1)


def emit(name, values, kind="float"):
    values = torch.as_tensor(values).double().flatten().tolist()
    digits = {"int": lambda v: str(int(v)), "double": repr, "float": lambda v: f"{v:.9g}"}[kind]
    suffix = "f" if kind == "float" else ""
    text = ", ".join((d if kind == "int" or "." in d or "e" in d else d + ".0") + suffix for d in map(digits, values))
    print(f"static const {kind} {name}[{len(values)}] = {{{text}}};")


print("/* optim_golden.h - made by tools/make_optim_goldens.py; do not edit. */")
print("// clang-format off")

# ---- optimisers: a weight, and a bias that does not decay; 20 gradients that do not depend on the parameters
WEIGHT, BIAS, STEPS = 12, 5, 20
start = torch.randn(WEIGHT + BIAS)
gradients = 0.5 * torch.randn(WEIGHT + BIAS) + torch.randn(STEPS, WEIGHT + BIAS)
print(f"enum {{ OPTIM_WEIGHT = {WEIGHT}, OPTIM_BIAS = {BIAS}, OPTIM_STEPS = {STEPS} }};")
emit("optim_start", start)
emit("optim_gradients", gradients)


class Lamb:
    """Algorithm 2 of You et al. 2020; tensors without decay are not adapted, as in the authors' BERT."""

    def __init__(self, groups, lr, betas=(0.9, 0.999), eps=1e-6):
        self.groups, self.lr, self.betas, self.eps, self.t = groups, lr, betas, eps, 0
        self.state = [[torch.zeros_like(p), torch.zeros_like(p)] for g in groups for p in g["params"]]

    def step(self):
        self.t += 1
        for group, (m, v) in zip(self.groups, self.state):
            (p,), decay = group["params"], group["weight_decay"]
            m.mul_(self.betas[0]).add_(p.grad, alpha=1 - self.betas[0])
            v.mul_(self.betas[1]).addcmul_(p.grad, p.grad, value=1 - self.betas[1])
            m_hat, v_hat = m / (1 - self.betas[0] ** self.t), v / (1 - self.betas[1] ** self.t)
            update = m_hat / (v_hat.sqrt() + self.eps) + decay * p.data
            trust = p.data.norm() / update.norm() if group["adapt"] else 1.0
            p.data -= self.lr * trust * update


class Lion:
    """Algorithm 2 of Chen et al. 2023."""

    def __init__(self, groups, lr, betas=(0.9, 0.99)):
        self.groups, self.lr, self.betas = groups, lr, betas
        self.state = [torch.zeros_like(p) for g in groups for p in g["params"]]

    def step(self):
        for group, m in zip(self.groups, self.state):
            (p,), decay = group["params"], group["weight_decay"]
            update = torch.sign(self.betas[0] * m + (1 - self.betas[0]) * p.grad)
            p.data -= self.lr * (update + decay * p.data)
            m.mul_(self.betas[1]).add_(p.grad, alpha=1 - self.betas[1])


optimisers = {
    "sgd": (lambda g: torch.optim.SGD(g, lr=0.05), 0.05),
    "momentum": (lambda g: torch.optim.SGD(g, lr=0.05, momentum=0.9), 0.05),
    "nesterov": (lambda g: torch.optim.SGD(g, lr=0.05, momentum=0.9, nesterov=True), 0.05),
    "adagrad": (lambda g: torch.optim.Adagrad(g, lr=0.05), 0.05),
    "rmsprop": (lambda g: torch.optim.RMSprop(g, lr=0.01), 0.01),
    "rmsprop_momentum": (lambda g: torch.optim.RMSprop(g, lr=0.01, momentum=0.9), 0.01),
    "adam": (lambda g: torch.optim.Adam(g, lr=0.02), 0.02),
    "adamw": (lambda g: torch.optim.AdamW(g, lr=0.02), 0.02),
    "lamb": (lambda g: Lamb(g, lr=0.02), 0.02),
    "lion": (lambda g: Lion(g, lr=0.01), 0.01),
}
names = []
for name, (make, lr) in optimisers.items():
    for decay in (0.0, 0.05):
        weight = torch.nn.Parameter(start[:WEIGHT].clone())
        bias = torch.nn.Parameter(start[WEIGHT:].clone())
        optimiser = make([{"params": [weight], "weight_decay": decay, "adapt": True},
                          {"params": [bias], "weight_decay": 0.0, "adapt": False}])
        for g in gradients:
            weight.grad, bias.grad = g[:WEIGHT].clone(), g[WEIGHT:].clone()
            optimiser.step()
        label = f"optim_{name}_{'decay' if decay else 'plain'}"
        emit(label, torch.cat([weight.data, bias.data]))
        names.append((name, lr, decay, label))
print("static const struct { const char *name; double lr, decay; const float *end; } optim_cases[] = {")
for name, lr, decay, label in names:
    print(f'  {{"{name}", {lr}, {decay}, {label}}},')
print("};")

# ---- schedules
EPOCHS, PER_EPOCH, LR = 12, 5, 0.4
parameter = torch.nn.Parameter(torch.zeros(1))


def rates(make, every_step):
    optimiser = torch.optim.SGD([parameter], lr=LR)
    schedule = make(optimiser)
    out = []
    for epoch in range(EPOCHS):
        for step in range(PER_EPOCH):
            out.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            if every_step or step == PER_EPOCH - 1:
                if len(out) < EPOCHS * PER_EPOCH:
                    schedule.step()
    return out


S = torch.optim.lr_scheduler
print(f"enum {{ SCHEDULE_EPOCHS = {EPOCHS}, SCHEDULE_PER_EPOCH = {PER_EPOCH} }};")
emit("schedule_step", rates(lambda o: S.StepLR(o, 4, 0.1), False), "double")
emit("schedule_exponential", rates(lambda o: S.ExponentialLR(o, 0.98), False), "double")
emit("schedule_cosine", rates(lambda o: S.CosineAnnealingLR(o, EPOCHS * PER_EPOCH, 0.01), True), "double")
emit("schedule_onecycle", rates(lambda o: S.OneCycleLR(o, LR, total_steps=EPOCHS * PER_EPOCH), True), "double")
WARM = 2 * PER_EPOCH
emit("schedule_warm_cosine", rates(lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.01, 1, WARM), S.CosineAnnealingLR(
    o, EPOCHS * PER_EPOCH - WARM)], [WARM]), True), "double")
losses = [1.0, 0.9, 0.89999, 0.9, 0.91, 0.92, 0.5, 0.6, 0.5, 0.5, 0.5, 0.5, 0.7, 0.4999, 0.4999, 0.4999, 0.4999]
optimiser = torch.optim.SGD([parameter], lr=LR)
plateau = S.ReduceLROnPlateau(optimiser, patience=2, factor=0.1, min_lr=0.003, eps=0)
scales = []
for loss in losses:
    plateau.step(loss)
    scales.append(optimiser.param_groups[0]["lr"] / LR)
emit("plateau_losses", torch.tensor(losses, dtype=torch.float64), "double")
emit("plateau_scales", torch.tensor(scales, dtype=torch.float64), "double")

# ---- losses
ROWS, CLASSES, T = 6, 5, 3.0
logits = 2 * torch.randn(ROWS, CLASSES)
label = torch.tensor([0, 4, 2, 2, 1, 3])
weight = torch.tensor([1.0, 0.5, 2.0, 1.5, 0.25])
soft = torch.softmax(torch.randn(ROWS, CLASSES), 1)
teacher = 2 * torch.randn(ROWS, CLASSES)
print(f"enum {{ LOSS_ROWS = {ROWS}, LOSS_CLASSES = {CLASSES} }};")
emit("loss_logits", logits)
emit("loss_label", label, "int")
emit("loss_weight", weight)
emit("loss_soft", soft)
emit("loss_teacher", teacher)


def distilled(x):
    kl = F.kl_div(F.log_softmax(x / T, 1), F.softmax(teacher.double() / T, 1), reduction="batchmean")
    return 0.7 * F.cross_entropy(x, label, label_smoothing=0.1) + 0.3 * T * T * kl


def weighted_distilled(x):
    kl = F.kl_div(F.log_softmax(x / T, 1), F.softmax(teacher.double() / T, 1), reduction="batchmean")
    return 0.7 * F.cross_entropy(x, label, weight=weight.double(), label_smoothing=0.2) + 0.3 * T * T * kl


w = weight.double()
for name, f in {
    "plain": lambda x: F.cross_entropy(x, label),
    "smooth": lambda x: F.cross_entropy(x, label, label_smoothing=0.1),
    "weighted": lambda x: F.cross_entropy(x, label, weight=w),
    "weighted_smooth": lambda x: F.cross_entropy(x, label, weight=w, label_smoothing=0.2),
    "soft": lambda x: F.cross_entropy(x, soft.double()),
    "soft_all": lambda x: F.cross_entropy(x, soft.double(), weight=w, label_smoothing=0.2),
    "distilled": distilled,
    "weighted_distilled": weighted_distilled,
}.items():
    x = logits.double().requires_grad_()
    value = f(x)
    value.backward()
    emit(f"loss_{name}_value", [value.item()], "double")
    emit(f"loss_{name}_gradient", x.grad)

# ---- clipping
g = gradients[0].clone()
clipped = torch.nn.Parameter(torch.zeros(WEIGHT + BIAS))
clipped.grad = g.clone()
emit("clip_length", [torch.nn.utils.clip_grad_norm_([clipped], 1.5).item()], "double")
emit("clip_norm", clipped.grad)

# ---- steps of training with weighted classes: a linear classifier, 12 photos in 3 batches of 4, by plain gradient descent
STEP_LABELS = [0, 2, 0, 1, 0, 0, 1, 1, 2, 0, 1, 0]  # in the order they are learned from
STEP_ROWS, STEP_COLUMNS, STEP_CLASSES, STEP_BATCH, STEP_LR, STEP_SMOOTHING = len(STEP_LABELS), 5, 3, 4, 0.5, 0.1
generator = torch.Generator().manual_seed(5)
x = torch.randn(STEP_ROWS, STEP_COLUMNS, generator=generator)
y = torch.tensor(STEP_LABELS)
balanced = STEP_ROWS / (STEP_CLASSES * torch.bincount(y).double())
print(f"enum {{ STEP_ROWS = {STEP_ROWS}, STEP_COLUMNS = {STEP_COLUMNS}, STEP_CLASSES = {STEP_CLASSES}, STEP_BATCH = {STEP_BATCH} }};")
print(f"static const double step_lr = {STEP_LR}, step_smoothing = {STEP_SMOOTHING};")
emit("step_rows", x)
emit("step_labels", y, "int")
for name, batches in {"each": [slice(i, i + STEP_BATCH) for i in range(0, STEP_ROWS, STEP_BATCH)], "accumulated": [slice(0, STEP_ROWS)]}.items():
    layer = torch.nn.Linear(STEP_COLUMNS, STEP_CLASSES).double()
    torch.nn.init.zeros_(layer.weight), torch.nn.init.zeros_(layer.bias)
    optimiser = torch.optim.SGD(layer.parameters(), lr=STEP_LR)
    losses = []
    for rows in batches:
        optimiser.zero_grad()
        loss = F.cross_entropy(layer(x[rows].double()), y[rows], weight=balanced, label_smoothing=STEP_SMOOTHING)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    emit(f"step_{name}_losses", losses, "double")
    emit(f"step_{name}_weight", layer.weight.detach())
    emit(f"step_{name}_bias", layer.bias.detach())
