# Cases of one function each, for the scripts that compare values and gradients: in float64, from inputs rounded to f32. Seeds are fixed.
import json, os

from packages import need

need('numpy', 'torch')
import torch

torch.manual_seed(20261121)
cases = []

def floats(*shape, low=-3.0, high=3.0):
    return (torch.rand(*shape, dtype=torch.float64) * (high - low) + low).float().double()

def exactly(values, *shape):
    return torch.tensor(values, dtype=torch.float64).float().double().reshape(shape or (-1,))

def ints(values, *shape):
    return torch.tensor(values, dtype=torch.int64).reshape(shape or (-1,))

def rounded(t):
    return [float('%.9g' % v) for v in t.detach().flatten().tolist()]

def weights(n):
    """What a result that is no scalar is summed with: exact in f32; the test does the same."""
    return torch.tensor([(i % 5 - 2) / 4 + 0.125 for i in range(n)], dtype=torch.float64)

def case(name, options, inputs, f):
    """One case: f of the inputs, its value and the gradient of its (weighted) sum by every float input."""
    xs = {k: v.clone().requires_grad_(v.dtype == torch.float64) for k, v in inputs.items()}
    y = f(**xs)
    total = y if y.dim() == 0 else (y.flatten() * weights(y.numel())).sum()
    total.backward()
    cases.append({
        'name': name,
        'options': options,
        'inputs': {k: {'dtype': 'f32' if v.requires_grad else 'i32', 'shape': list(v.shape),
                       'values': rounded(v) if v.requires_grad else v.flatten().tolist()} for k, v in xs.items()},
        'shape': list(y.shape),
        'value': rounded(y),
        'gradients': {k: rounded(v.grad) for k, v in xs.items() if v.grad is not None},
    })

def write(name):
    """Writes all cases to NAME.json beside this file."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + '.json')
    with open(path, 'w') as out:
        out.write('[\n' + ',\n'.join(json.dumps(c, separators=(',', ':')) for c in cases) + '\n]\n')
