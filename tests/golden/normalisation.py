# Makes tests/golden/normalisation.json: values and gradients of PyTorch's norms and embedding, in doubles of f32 inputs.
# Run: python3 tests/golden/normalisation.py        (without PyTorch it makes a virtual environment and installs it there)
import json, os

from packages import need

need('numpy', 'torch')
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(20261121)


def draw(*shape, scale=1.0, shift=0.0):
    """Normal numbers that f32 holds exactly."""
    return (torch.randn(*shape, generator=generator) * scale + shift).float().double()


def flat(t):
    return [float(f'{v:.9g}') if t.is_floating_point() else int(v) for v in t.detach().reshape(-1).tolist()]


def tensor(t):
    return {'shape': list(t.shape), 'values': flat(t)}


def fill(module):
    """Random parameters: those that start at 0 or 1 would hide mistakes."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            p.copy_(draw(*p.shape, scale=0.3, shift=1.0 if p.dim() == 1 and name.endswith('weight') else 0.0))


def states(module):
    return {name: flat(t) for name, t in module.state_dict().items()}


def apply(module, inputs, call=None):
    """The value for inputs, and the gradients of sum(value * weights) by float inputs and parameters."""
    for t in inputs.values():
        if t.is_floating_point():
            t.requires_grad_()
            t.grad = None
    module.zero_grad()
    y = (call or (lambda m, x: m(x)))(module, *inputs.values())
    weights = draw(*y.shape)
    if y.requires_grad:
        (y * weights).sum().backward()
    grads = {name: flat(t.grad) for name, t in inputs.items() if t.grad is not None}
    grads.update({name: flat(p.grad) for name, p in module.named_parameters()})
    return {
        'inputs': {name: tensor(t) for name, t in inputs.items()},
        'weights': flat(weights), 'value': tensor(y), 'gradients': grads,
    }


def record(module, inputs, call=None, keep=False):
    if not keep:
        fill(module)
    given = states(module)
    return {'states': given, **apply(module, inputs, call)}


def write(name, cases):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + '.json')
    with open(path, 'w') as f:
        f.write('{\n' + ',\n'.join(f'{json.dumps(k)}:{json.dumps(v, separators=(",", ":"))}' for k, v in cases.items()) + '\n}\n')
    print(path, os.path.getsize(path), 'bytes')


def running(make, shape):
    """Three training steps with their running statistics, then evaluation."""
    module = make()
    fill(module)
    module.train()
    first = states(module)
    steps = []
    for i in range(3):
        step = apply(module, {'x': draw(*shape, scale=1.5, shift=0.5 * i - 1)})
        steps.append({**step, 'after': states(module)})
    module.eval()
    return {'states': first, 'steps': steps, 'evaluation': record(module, {'x': draw(*shape)}, keep=True)}


def main():
    x = lambda *shape: {'x': draw(*shape, scale=2.0, shift=0.7)}
    write('normalisation', {
        'batchNorm1d': running(lambda: nn.BatchNorm1d(3), (4, 3)),
        'batchNorm1d of sequences': running(lambda: nn.BatchNorm1d(3, momentum=0.3, eps=1e-2), (2, 3, 4)),
        'batchNorm2d': running(lambda: nn.BatchNorm2d(3), (2, 3, 2, 3)),
        'batchNorm2d without affine, all batches alike': running(lambda: nn.BatchNorm2d(2, affine=False, momentum=None), (2, 2, 2, 2)),
        'batchNorm1d without running statistics': record(nn.BatchNorm1d(3, track_running_stats=False), x(5, 3)),
        'batchNorm3d': running(lambda: nn.BatchNorm3d(2), (2, 2, 2, 1, 2)),
        'instanceNorm2d': record(nn.InstanceNorm2d(3), x(2, 3, 2, 3)),
        'instanceNorm1d, affine': record(nn.InstanceNorm1d(3, affine=True), x(2, 3, 4)),
        'instanceNorm2d with running statistics': running(
            lambda: nn.InstanceNorm2d(2, affine=True, track_running_stats=True), (3, 2, 2, 2)),
        'layerNorm': record(nn.LayerNorm(5), x(3, 5)),
        'layerNorm of two axes': record(nn.LayerNorm([2, 3], eps=1e-3), x(2, 2, 2, 3)),
        'layerNorm without bias': record(nn.LayerNorm(5, bias=False), x(3, 5)),
        'layerNorm without affine': record(nn.LayerNorm(5, elementwise_affine=False), x(3, 5)),
        # Its default eps is that of the dtype: here that of f32, in which the compiled program computes.
        'rmsNorm': record(nn.RMSNorm(5, eps=torch.finfo(torch.float32).eps), x(3, 5)),
        'rmsNorm of two axes': record(nn.RMSNorm([2, 3], eps=1e-2, elementwise_affine=False), x(2, 2, 3)),
        'groupNorm': record(nn.GroupNorm(2, 6), x(2, 6, 2, 2)),
        'groupNorm of features': record(nn.GroupNorm(3, 6, eps=1e-3), x(4, 6)),
        'groupNorm without affine': record(nn.GroupNorm(1, 4, affine=False), x(2, 4, 3)),
        'embedding': record(nn.Embedding(6, 3), {'index': torch.tensor([[0, 5, 2, 2], [2, 1, 5, 0]], dtype=torch.int32)}),
        'embedding with padding': record(nn.Embedding(5, 2, padding_idx=1), {'index': torch.tensor([4, 1, 1, 0, 4], dtype=torch.int32)}),
    })


if __name__ == '__main__':
    main()
