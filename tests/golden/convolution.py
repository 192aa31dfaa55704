# Golden values of convolutions and poolings from PyTorch. Run from anywhere: python3 tests/golden/convolution.py
# Writes convolution.json beside itself: for each case the call in gradc's words, inputs, result and gradients of Σ y·ct.
# Inputs are f32 numbers, everything is computed in f64. Installs torch into a throw-away environment if it is missing.
import json, pathlib

from packages import need

need('numpy', 'torch')
import torch

torch.manual_seed(20261121)
torch.set_default_dtype(torch.float64)
RENAME = {
    'paddingMode': 'padding_mode', 'outputPadding': 'output_padding', 'ceilMode': 'ceil_mode',
    'countIncludePad': 'count_include_pad', 'alignCorners': 'align_corners', 'scale': 'scale_factor',
}
TORCH = {
    'conv1d': torch.nn.Conv1d, 'conv2d': torch.nn.Conv2d, 'conv3d': torch.nn.Conv3d,
    'convTranspose1d': torch.nn.ConvTranspose1d, 'convTranspose2d': torch.nn.ConvTranspose2d,
    'convTranspose3d': torch.nn.ConvTranspose3d,
    'maxPool1d': torch.nn.MaxPool1d, 'maxPool2d': torch.nn.MaxPool2d, 'maxPool3d': torch.nn.MaxPool3d,
    'avgPool1d': torch.nn.AvgPool1d, 'avgPool2d': torch.nn.AvgPool2d, 'avgPool3d': torch.nn.AvgPool3d,
    'adaptiveAveragePool1d': torch.nn.AdaptiveAvgPool1d, 'adaptiveAveragePool2d': torch.nn.AdaptiveAvgPool2d,
    'adaptiveMaxPool1d': torch.nn.AdaptiveMaxPool1d, 'adaptiveMaxPool2d': torch.nn.AdaptiveMaxPool2d,
    'upsample': torch.nn.Upsample,
}
# (layer, arguments, options, shape of x)
CASES = [
    ('conv1d', [2, 3, 3], {}, [2, 2, 7]),
    ('conv1d', [2, 4, 4], {'stride': 2, 'padding': 3, 'dilation': 2, 'groups': 2}, [1, 2, 9]),
    ('conv1d', [2, 2, 4], {'padding': 'same', 'dilation': 1}, [1, 2, 6]),
    ('conv1d', [1, 2, 4], {'padding': 'same', 'paddingMode': 'reflect', 'dilation': 3}, [1, 1, 11]),
    ('conv2d', [2, 3, 3], {}, [2, 2, 5, 6]),
    ('conv2d', [1, 2, 1], {}, [1, 1, 3, 3]),
    ('conv2d', [3, 2, 1], {'stride': 2, 'bias': False}, [2, 3, 5, 4]),
    ('conv2d', [2, 3, 3], {'padding': 1}, [1, 2, 4, 5]),
    ('conv2d', [2, 3, 3], {'stride': 2, 'padding': 1}, [1, 2, 6, 7]),
    ('conv2d', [2, 3, 3], {'stride': 2, 'padding': 2, 'dilation': 2}, [1, 2, 7, 6]),
    ('conv2d', [2, 2, 3], {'dilation': 2}, [1, 2, 6, 7]),
    ('conv2d', [4, 6, 3], {'groups': 2, 'padding': 1}, [2, 4, 4, 3]),
    ('conv2d', [4, 2, 2], {'groups': 2, 'stride': 2, 'bias': False}, [1, 4, 5, 4]),
    ('conv2d', [3, 3, 3], {'groups': 3, 'padding': 1}, [2, 3, 4, 4]),
    ('conv2d', [2, 6, 3], {'groups': 2, 'stride': 2}, [1, 2, 5, 5]),
    ('conv2d', [2, 3, [2, 4]], {'stride': [1, 3], 'padding': [1, 2], 'dilation': [2, 1]}, [1, 2, 5, 7]),
    ('conv2d', [2, 2, [4, 3]], {'padding': 'same', 'dilation': [1, 2]}, [1, 2, 5, 6]),
    ('conv2d', [2, 2, 2], {'padding': 'valid'}, [1, 2, 3, 4]),
    ('conv2d', [2, 2, 3], {'padding': [1, 2], 'paddingMode': 'reflect'}, [1, 2, 4, 4]),
    ('conv2d', [2, 2, 3], {'padding': [2, 1], 'paddingMode': 'circular', 'groups': 2}, [1, 2, 3, 4]),
    ('conv2d', [2, 2, 3], {'padding': 2, 'paddingMode': 'replicate', 'stride': 2}, [1, 2, 4, 3]),
    ('conv3d', [2, 2, 2], {'padding': 1, 'stride': [1, 2, 1]}, [1, 2, 3, 3, 2]),
    ('convTranspose1d', [2, 3, 3], {}, [2, 2, 4]),
    ('convTranspose1d', [2, 2, 4], {'stride': 3, 'padding': 1, 'outputPadding': 2, 'dilation': 2}, [1, 2, 3]),
    ('convTranspose1d', [1, 1, 2], {'stride': 2, 'outputPadding': 2, 'dilation': 3}, [1, 1, 3]),
    ('convTranspose2d', [2, 3, 3], {}, [1, 2, 3, 4]),
    ('convTranspose2d', [2, 3, 3], {'padding': 1}, [1, 2, 3, 4]),
    ('convTranspose2d', [2, 3, 2], {'stride': 2}, [2, 2, 3, 2]),
    ('convTranspose2d', [2, 3, 3], {'stride': 2, 'padding': 1, 'outputPadding': 1}, [1, 2, 3, 4]),
    ('convTranspose2d', [4, 6, 3], {'stride': 2, 'padding': 1, 'outputPadding': [1, 0], 'groups': 2, 'bias': False}, [1, 4, 2, 3]),
    ('convTranspose2d', [3, 3, 4], {'stride': 2, 'padding': 1, 'groups': 3}, [1, 3, 3, 2]),
    ('convTranspose2d', [2, 2, [2, 3]], {'dilation': [2, 1], 'stride': [1, 3], 'outputPadding': [1, 2]}, [1, 2, 3, 2]),
    ('convTranspose3d', [2, 1, 2], {'stride': [1, 2, 2], 'padding': 1, 'outputPadding': [0, 1, 1]}, [1, 2, 3, 2, 2]),
    ('maxPool1d', [2], {}, [2, 2, 6]),
    ('maxPool1d', [3], {'stride': 2, 'padding': 1, 'dilation': 2}, [1, 2, 9]),
    ('maxPool2d', [2], {}, [2, 2, 4, 6]),
    ('maxPool2d', [2], {}, [1, 2, 5, 5]),
    ('maxPool2d', [3], {'stride': 2, 'padding': 1}, [1, 2, 6, 7]),
    ('maxPool2d', [3], {'stride': 2, 'ceilMode': True}, [1, 2, 6, 8]),
    ('maxPool2d', [2], {'ceilMode': True}, [1, 2, 5, 4]),
    ('maxPool2d', [[3, 2]], {'stride': [1, 2], 'padding': [1, 1], 'dilation': [1, 2], 'ceilMode': True}, [1, 2, 4, 5]),
    ('maxPool3d', [2], {'stride': 1}, [1, 1, 3, 2, 3]),
    ('avgPool1d', [3], {'stride': 1, 'padding': 1}, [2, 2, 5]),
    ('avgPool2d', [2], {}, [2, 2, 4, 6]),
    ('avgPool2d', [2], {}, [1, 2, 5, 5]),
    ('avgPool2d', [3], {'stride': 2, 'padding': 1}, [1, 2, 6, 7]),
    ('avgPool2d', [3], {'stride': 2, 'padding': 1, 'countIncludePad': False}, [1, 2, 6, 7]),
    ('avgPool2d', [3], {'stride': 2, 'padding': 1, 'ceilMode': True}, [1, 2, 6, 5]),
    ('avgPool2d', [[2, 3]], {'stride': 2, 'padding': [1, 1], 'ceilMode': True, 'countIncludePad': False}, [1, 2, 5, 6]),
    ('avgPool3d', [2], {'padding': 1}, [1, 1, 3, 2, 4]),
    ('adaptiveAveragePool1d', [3], {}, [2, 2, 5]),
    ('adaptiveAveragePool1d', [7], {}, [1, 2, 5]),
    ('adaptiveAveragePool2d', [[3, 2]], {}, [1, 2, 5, 6]),
    ('adaptiveAveragePool2d', [1], {}, [2, 2, 3, 4]),
    ('adaptiveMaxPool1d', [3], {}, [2, 2, 5]),
    ('adaptiveMaxPool2d', [[3, 2]], {}, [1, 2, 5, 4]),
    ('adaptiveMaxPool2d', [3], {}, [1, 2, 7, 5]),
    ('upsample', [], {'scale': 2}, [1, 2, 2, 3]),
    ('upsample', [], {'size': [5, 2]}, [1, 2, 3, 4]),
    ('upsample', [], {'scale': 3, 'mode': 'linear'}, [1, 2, 3]),
    ('upsample', [], {'scale': 2, 'mode': 'bilinear'}, [1, 2, 3, 2]),
    ('upsample', [], {'size': [5, 3], 'mode': 'bilinear', 'alignCorners': True}, [1, 2, 3, 4]),
    ('upsample', [], {'size': [2, 5], 'mode': 'bilinear'}, [1, 2, 5, 3]),
]


def drawn(shape):
    # Multiples of 1/64 are f32 numbers, and short in JSON.
    return (torch.randn(shape) * 64).round() / 64


def distinct(shape):
    # No two are equal: at a tie PyTorch and gradc choose other gradients.
    size = torch.Size(shape).numel()
    return ((torch.randperm(size) - size // 2) / 16).reshape(shape)


def rounded(tensor):
    values = [float(f'{v:.9g}') for v in tensor.detach().reshape(-1).tolist()]
    return [int(v) if v.is_integer() else v for v in values]


def tupled(value):
    return tuple(value) if isinstance(value, list) else value


def case(name, arguments, options, shape):
    layer = TORCH[name](*map(tupled, arguments), **{RENAME.get(k, k): tupled(v) for k, v in options.items()})
    parameters = dict(layer.named_parameters())
    with torch.no_grad():
        for p in parameters.values():
            p.copy_(drawn(p.shape))
    x = (distinct if 'Max' in name or 'max' in name else drawn)(shape).requires_grad_()
    y = layer(x)
    ct = drawn(y.shape)
    (y * ct).sum().backward()
    return {
        'layer': name, 'arguments': arguments, 'options': options, 'shape': shape, 'result': list(y.shape),
        'x': rounded(x), 'ct': rounded(ct), 'y': rounded(y), 'dx': rounded(x.grad),
        'parameters': {k: rounded(p) for k, p in parameters.items()},
        'gradients': {k: rounded(p.grad) for k, p in parameters.items()},
    }


lines = ',\n'.join(json.dumps(case(*c), separators=(',', ':')) for c in CASES)
path = pathlib.Path(__file__).with_suffix('.json')
path.write_text(f'[\n{lines}\n]\n')
print(f'{path.name}: {len(CASES)} cases, {path.stat().st_size} bytes, torch {torch.__version__}')
