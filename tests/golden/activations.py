# Run: python3 tests/golden/activations.py
# Writes tests/golden/activations.json: values and gradients of the activations in PyTorch, in float64 from inputs
# rounded to f32. Seeds are fixed.
from cases import case, exactly, floats, torch, write
import torch.nn.functional as F

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

write('activations')
