# Run: python3 tests/golden/activations.py
# Writes tests/golden/activations.json: values and gradients of the activations in PyTorch, in float64 from inputs
# rounded to f32. Seeds are fixed.
import json, os, subprocess, sys, tempfile

try:
    import torch
except ImportError:  # Makes an environment of its own, and starts again inside it.
    home = os.path.join(tempfile.gettempdir(), 'gradc-golden')
    python = os.path.join(home, 'bin', 'python')
    if sys.executable == python:
        raise
    subprocess.check_call([sys.executable, '-m', 'venv', home])
    subprocess.check_call([python, '-m', 'pip', 'install', '-q', 'torch', 'numpy'])
    os.execv(python, [python, *sys.argv])

import torch.nn.functional as F

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

x = exactly([-1e4, -100, -12.5, -3.5, -2.75, -1.5, -1, -0.3, -1e-3, 1e-3, 0.4, 1, 1.75, 2.5, 3.75, 7, 19, 100, 1e4, 0.85], 4, 5)
calm = floats(3, 4)

def both(name, f, options={}, at=x):
    case(name, options, {'x': at}, lambda x: f(x))

both('relu', F.relu)
both('leakyRelu', F.leaky_relu)
both('leakyRelu', lambda x: F.leaky_relu(x, 0.2), {'slope': 0.2})
both('relu6', F.relu6)
both('hardTanh', F.hardtanh)
both('hardTanh', lambda x: F.hardtanh(x, -2.0, 0.5), {'low': -2, 'high': 0.5})
both('hardSigmoid', F.hardsigmoid)
both('hardSwish', F.hardswish)
both('elu', F.elu)
both('elu', lambda x: F.elu(x, 0.7), {'alpha': 0.7})
both('selu', F.selu)
both('celu', F.celu)
both('celu', lambda x: F.celu(x, 2.5), {'alpha': 2.5})
both('gelu', F.gelu)
both('gelu', lambda x: F.gelu(x, approximate='tanh'), {'approximate': 'tanh'})
both('silu', F.silu)
both('mish', F.mish)
both('softplus', F.softplus)
both('softplus', lambda x: F.softplus(x, beta=2.0), {'beta': 2})
both('softplus', lambda x: F.softplus(x, beta=0.5, threshold=3.0), {'beta': 0.5, 'threshold': 3})
both('softsign', F.softsign)
both('logSigmoid', F.logsigmoid)
both('sigmoid', torch.sigmoid)
both('tanh', torch.tanh)
# Kinks: derivatives there are PyTorch's too.
both('relu', F.relu, at=exactly([0.0], 1))
both('leakyRelu', F.leaky_relu, at=exactly([0.0], 1))
both('relu6', F.relu6, at=exactly([0.0, 6.0], 2))
both('hardTanh', F.hardtanh, at=exactly([-1.0, 1.0], 2))
both('hardSigmoid', F.hardsigmoid, at=exactly([-3.0, 3.0], 2))
both('elu', lambda x: F.elu(x, 0.7), {'alpha': 0.7}, at=exactly([0.0], 1))
for at in [calm, exactly([-1e4, 100, 1e4, 0, -100, 3, 3, 3], 2, 4)]:
    both('softmax', lambda x: F.softmax(x, -1), at=at)
    both('softmin', lambda x: F.softmin(x, -1), at=at)
    both('logSoftmax', lambda x: F.log_softmax(x, -1), at=at)
    both('logsumexp', lambda x: torch.logsumexp(x, -1), at=at)
both('softmax', lambda x: F.softmax(x, 0), {'axis': 0}, at=calm)
both('softmin', lambda x: F.softmin(x, 0), {'axis': 0}, at=calm)
both('logSoftmax', lambda x: F.log_softmax(x, 0), {'axis': 0}, at=calm)
both('glu', lambda x: F.glu(x, -1), at=calm)
both('glu', lambda x: F.glu(x, 1), {'axis': 1}, at=floats(2, 4, 3))
case('prelu', {}, {'x': x, 'weight': exactly([0.25])}, lambda x, weight: F.prelu(x, weight))
case('prelu', {'count': 4}, {'x': floats(2, 4, 3), 'weight': exactly([0.25, -0.5, 0.1, 2])}, lambda x, weight: F.prelu(x, weight))

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'activations.json')
with open(path, 'w') as out:
    out.write('[\n' + ',\n'.join(json.dumps(c, separators=(',', ':')) for c in cases) + '\n]\n')
