# Golden values of optimisers and schedules against PyTorch and optax. Run from anywhere:
#   python3 tests/golden/optim.py
# writes optim.json beside itself. Needs torch, jax, optax; if they are missing it makes a virtual environment under the
# system's temporary folder, installs them there with pip, and goes on in it.
import json
import math
import os

from packages import need

need('numpy', 'torch', 'jax', 'optax')

import jax
import numpy as np
import optax
import optax.contrib
import torch

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp

rng = np.random.default_rng(7)
f32 = lambda *shape: np.round(rng.normal(size=shape), 3).astype(np.float32).astype(np.float64)
# A small net, mean((tanh(x Wᵀ) v − y)²)/2: a matrix [out, in] and a vector.
x, y, W0, v0 = f32(6, 3), f32(6), f32(4, 3), f32(4)
STEPS = 10


def loss_torch(W, v):
    return 0.5 * ((torch.tanh(torch.tensor(x) @ W.T) @ v - torch.tensor(y)) ** 2).mean()


def loss_jax(p):
    return 0.5 * jnp.mean((jnp.tanh(x @ p["W"].T) @ p["v"] - y) ** 2)


def with_torch(make, clip=None):
    W, v = (torch.tensor(a, requires_grad=True) for a in (W0.copy(), v0.copy()))
    optimizers = make(W, v)
    optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
    trace = []
    for _ in range(STEPS):
        for o in optimizers:
            o.zero_grad()
        loss_torch(W, v).backward()
        if clip:
            clip([W, v])
        for o in optimizers:
            o.step()
        trace.append((W.detach().numpy().copy(), v.detach().numpy().copy()))
    return trace


def with_optax(tx):
    p = {"W": jnp.array(W0), "v": jnp.array(v0)}
    state = tx.init(p)
    trace = []
    for _ in range(STEPS):
        updates, state = tx.update(jax.grad(loss_jax)(p), state, p)
        p = optax.apply_updates(p, updates)
        trace.append((np.array(p["W"]), np.array(p["v"])))
    return trace


def muon(W, v):
    # torch's Muon iterates in bf16; here in f64, by optax's own Newton-Schulz.
    import torch.optim._muon as module

    def zeropower(grad, coefficients, steps, eps):
        return torch.tensor(np.array(optax.contrib._muon.orthogonalize_via_newton_schulz(
            jnp.array(grad.numpy()), jnp.array(coefficients), steps, eps=eps)))

    module._zeropower_via_newtonschulz = zeropower
    return [torch.optim.Muon([W], lr=0.02), torch.optim.AdamW([v], lr=0.01)]


t = torch.optim
cases = {
    "sgd": with_torch(lambda W, v: t.SGD([W, v], lr=0.1)),
    "sgd momentum": with_torch(lambda W, v: t.SGD([W, v], lr=0.1, momentum=0.9)),
    "sgd nesterov": with_torch(lambda W, v: t.SGD([W, v], lr=0.1, momentum=0.8, nesterov=True)),
    "weightDecay": with_torch(lambda W, v: t.SGD([W, v], lr=0.1, momentum=0.9, weight_decay=0.05)),
    "clipByGlobalNorm": with_torch(lambda W, v: t.SGD([W, v], lr=0.1), lambda ps: torch.nn.utils.clip_grad_norm_(ps, 0.2)),
    "clipByValue": with_torch(lambda W, v: t.SGD([W, v], lr=0.1), lambda ps: torch.nn.utils.clip_grad_value_(ps, 0.05)),
    "adagrad": with_torch(lambda W, v: t.Adagrad([W, v])),
    "adagrad initial": with_torch(lambda W, v: t.Adagrad([W, v], lr=0.1, initial_accumulator_value=0.1, eps=1e-3)),
    "rmsprop": with_torch(lambda W, v: t.RMSprop([W, v])),
    "rmsprop momentum": with_torch(lambda W, v: t.RMSprop([W, v], lr=1e-3, alpha=0.9, momentum=0.9)),
    "rmsprop centered": with_torch(lambda W, v: t.RMSprop([W, v], lr=1e-3, alpha=0.9, eps=1e-3, momentum=0.5, centered=True)),
    "adadelta": with_torch(lambda W, v: t.Adadelta([W, v])),
    "adadelta rho": with_torch(lambda W, v: t.Adadelta([W, v], lr=0.5, rho=0.7, eps=1e-3)),
    "adam": with_torch(lambda W, v: t.Adam([W, v])),
    "adam options": with_torch(lambda W, v: t.Adam([W, v], lr=0.05, betas=(0.5, 0.9), eps=1e-4)),
    "adamw": with_torch(lambda W, v: t.AdamW([W, v], lr=0.01)),
    "nadam": with_torch(lambda W, v: t.NAdam([W, v])),
    "nadam options": with_torch(lambda W, v: t.NAdam([W, v], lr=0.05, betas=(0.8, 0.95), momentum_decay=0.1)),
    "muon": with_torch(muon),
    "lion": with_optax(optax.lion(1e-3)),
    "lion options": with_optax(optax.lion(0.02, b1=0.8, b2=0.9, weight_decay=0.1)),
    "adafactor": with_optax(optax.adafactor(0.01)),
    "adafactor factored": with_optax(optax.adafactor(0.1, min_dim_size_to_factor=2)),
    "adafactor options": with_optax(optax.adafactor(
        0.05, min_dim_size_to_factor=3, decay_rate=0.6, multiply_by_parameter_scale=False, clipping_threshold=None,
        momentum=0.9, weight_decay_rate=0.01)),
    "accumulate": with_optax(optax.MultiSteps(optax.adam(0.05), 3).gradient_transformation()),
    "schedule": with_optax(optax.adam(optax.warmup_cosine_decay_schedule(0.0, 0.1, 4, 9, 0.01))),
}


def ema_trace():
    """Debiased averages of the weights, as optax.ema gives them."""
    average = optax.ema(0.9)
    state, trace = average.init({"W": jnp.array(W0), "v": jnp.array(v0)}), []
    for W, v in with_optax(optax.sgd(0.1)):
        p, state = average.update({"W": jnp.array(W), "v": jnp.array(v)}, state)
        trace.append((np.array(p["W"]), np.array(p["v"])))
    return trace


cases["ema"] = ema_trace()

# Logistic regression with an L2 penalty: one minimum.
lx, ly = f32(20, 3), (rng.random(20) < 0.5).astype(np.float64)


def logistic():
    w, b = torch.zeros(3, dtype=torch.float64, requires_grad=True), torch.zeros((), dtype=torch.float64, requires_grad=True)
    o = t.LBFGS([w, b], line_search_fn="strong_wolfe", max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-15)

    def closure():
        o.zero_grad()
        logits = torch.tensor(lx) @ w + b
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor(ly)) + 0.05 * ((w**2).sum() + b**2)
        loss.backward()
        return loss

    o.step(closure)
    return {"w": w.detach().numpy(), "b": b.detach().numpy(), "loss": float(closure().detach())}


COUNT = 26


def scheduler(make, initial):
    o = t.SGD([torch.zeros(1, requires_grad=True)], lr=initial)
    s, values = make(o), []
    for _ in range(COUNT):
        values.append(o.param_groups[0]["lr"])
        o.step()
        s.step()
    return values


def one_cycle(**options):
    total = options["total_steps"]
    o = t.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    s, values = t.lr_scheduler.OneCycleLR(o, cycle_momentum=False, **options), []
    for i in range(total):
        values.append(o.param_groups[0]["lr"])
        o.step()
        if i + 1 < total:
            s.step()
    return values + [values[-1]] * (COUNT - total)


of_optax = lambda schedule: [float(schedule(i)) for i in range(COUNT)]
l = t.lr_scheduler
schedules = {
    "step": scheduler(lambda o: l.StepLR(o, 7, 0.5), 0.3),
    "multiStep": scheduler(lambda o: l.MultiStepLR(o, [3, 4, 15]), 0.3),
    "exponential": scheduler(lambda o: l.ExponentialLR(o, 0.8), 0.3),
    "exponential every": of_optax(optax.exponential_decay(0.3, 5, 0.5)),
    "linear": of_optax(optax.linear_schedule(0.3, 0.1, 9)),
    "polynomial": scheduler(lambda o: l.PolynomialLR(o, 20, 2.0), 0.3),
    "polynomial end": of_optax(optax.polynomial_schedule(0.3, 0.05, 1.5, 20)),
    "cosine": of_optax(optax.cosine_decay_schedule(0.3, 20, 0.1)),
    "cosineRestarts": scheduler(lambda o: l.CosineAnnealingWarmRestarts(o, 6, eta_min=0.01), 0.3),
    "cosineRestarts growth": scheduler(lambda o: l.CosineAnnealingWarmRestarts(o, 3, 2), 0.3),
    "linearWarmup": of_optax(optax.warmup_cosine_decay_schedule(0.02, 0.3, 6, 20, 0.01)),
    "join": of_optax(optax.join_schedules([optax.constant_schedule(0.3), optax.linear_schedule(0.2, 0.0, 5)], [4])),
    "oneCycle": one_cycle(max_lr=0.3, total_steps=20),
    "oneCycle linear": one_cycle(max_lr=0.3, total_steps=24, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=100),
}


def plateau(metrics, **options):
    o = t.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    s, values = l.ReduceLROnPlateau(o, **options), []
    for m in metrics:
        s.step(m)
        values.append(o.param_groups[0]["lr"])
    return {"metrics": metrics, "values": values}


noisy = [round(float(2 + math.exp(-i / 4) + 0.05 * rng.normal()), 4) for i in range(40)]
plateaus = {
    "min": plateau(noisy, patience=2, factor=0.5),
    "cooldown": plateau(noisy, patience=1, cooldown=3, min_lr=0.02, threshold=0.01, threshold_mode="abs"),
    "max": plateau([-m for m in noisy], mode="max", patience=0, factor=0.7),
    "max positive": plateau([round(5 - m, 4) for m in noisy], mode="max", patience=0, factor=0.7, threshold=0.01),
}


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    if isinstance(value, np.ndarray):
        return rounded(value.ravel().tolist()) if value.ndim else rounded(float(value))
    return float(f"{value:.9g}")


golden = {
    "problem": {"x": x, "y": y, "W": W0, "v": v0},
    "optimizers": {k: [{"W": W, "v": v} for W, v in trace] for k, trace in cases.items()},
    "logistic": {"x": lx, "y": ly, **logistic()},
    "schedules": schedules,
    "plateaus": plateaus,
}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optim.json"), "w") as file:
    json.dump(rounded(golden), file, separators=(",", ":"))
    file.write("\n")
