"""PyTorch on one thread, as a subject of the benchmark: it talks in lines like worker.mjs, see there.

    python3 torch.py CASE              a workload of values.mjs, or a kernel of kernels.mjs
    python3 torch.py --version         the version, if it is installed

Weights and data come from the same hash as in values.mjs; biases start at zero."""
import json
import math
import os
import sys
import time

# OpenBLAS has threads of its own, which torch.set_num_threads does not count; both read this when they are loaded.
for variable in ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ[variable] = '1'
# This file's folder comes first in the path, and `import torch` would find this file.
sys.path = [p for p in sys.path if os.path.abspath(p or '.') != os.path.dirname(os.path.abspath(__file__))]
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

STEPS_BEFORE_RESET = 60


def unit(seed, count):
    with np.errstate(over='ignore'):
        x = np.arange(count, dtype=np.uint32) + np.uint32((seed * 0x9e3779b9) & 0xffffffff)
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7feb352d)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846ca68b)
        x = x ^ (x >> np.uint32(16))
    return x.astype(np.float64) / 2 ** 32


def tensor(values, shape):
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def symmetric(seed, shape, bound):
    return tensor((unit(seed, math.prod(shape)) * 2 - 1) * bound, shape)


def positive(seed, shape):
    return tensor(unit(seed, math.prod(shape)), shape)


def labels(seed, count, classes):
    return torch.from_numpy(np.floor(unit(seed, count) * classes).astype(np.int64))


def set_weight(weight, index, shape, fan, transposed=True):
    """Parameter number `index`, which is kept as [in, out], uniform in +-1/sqrt(fan)."""
    first = symmetric(1000 + index, shape, 1 / math.sqrt(fan))
    with torch.no_grad():
        weight.copy_(first.t() if transposed else first)


def dense(index, inputs, outputs, bias=True):
    layer = nn.Linear(inputs, outputs, bias=bias)
    set_weight(layer.weight, index, (inputs, outputs), inputs)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        for index, layer, fan in ((0, self.c1, 9), (2, self.c2, 288)):
            set_weight(layer.weight, index, layer.weight.shape, fan, transposed=False)
            nn.init.zeros_(layer.bias)
        self.f1, self.f2 = dense(4, 3136, 128), dense(6, 128, 10)

    def forward(self, x):
        h = F.max_pool2d(F.relu(self.c1(x)), 2)
        h = F.max_pool2d(F.relu(self.c2(h)), 2)
        return self.f2(F.relu(self.f1(h.flatten(1))))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTM(32, 128, batch_first=True)
        set_weight(self.cell.weight_ih_l0, 0, (32, 512), 128)
        set_weight(self.cell.weight_hh_l0, 1, (128, 512), 128)
        nn.init.zeros_(self.cell.bias_ih_l0)
        nn.init.zeros_(self.cell.bias_hh_l0)
        self.cell.bias_hh_l0.requires_grad_(False)  # the other peers have one bias
        self.out = dense(3, 128, 10)

    def forward(self, x):
        return self.out(self.cell(x)[0][:, -1])


class Block(nn.Module):
    def __init__(self, index, d, heads, length):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = dense(index + 2, d, 3 * d), dense(index + 4, d, d)
        self.fc1, self.fc2 = dense(index + 8, d, 4 * d), dense(index + 10, 4 * d, d)
        self.register_buffer('hidden', torch.tril(torch.ones(length, length)) == 0)

    def attention(self, x):
        batch, length, d = x.shape
        q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2) for t in self.qkv(x).split(d, dim=2))
        scores = (q @ k.transpose(-2, -1)) * (d // self.heads) ** -0.5
        weights = F.softmax(scores.masked_fill(self.hidden, float('-inf')), dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, length, d))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)), approximate='tanh'))


class Gpt(nn.Module):
    def __init__(self, d=128, heads=4, layers=4, length=64, vocabulary=65):
        super().__init__()
        self.token, self.position = nn.Embedding(vocabulary, d), nn.Embedding(length, d)
        with torch.no_grad():
            self.token.weight.copy_(symmetric(1000, (vocabulary, d), 0.1))
            self.position.weight.copy_(symmetric(1001, (length, d), 0.1))
        self.blocks = nn.Sequential(*[Block(2 + 12 * i, d, heads, length) for i in range(layers)])
        self.norm, self.head = nn.LayerNorm(d), dense(4 + 12 * layers, d, vocabulary, bias=False)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.token(x) + self.position.weight)))


def make(workload):
    """Network, x, y, loss, optimiser."""
    def classes(batch):
        return labels(2, batch, 10)
    if workload == 'TINY':
        net = nn.Sequential(dense(0, 2, 16), nn.Tanh(), dense(2, 16, 16), nn.Tanh(), dense(4, 16, 1))
        return net, symmetric(1, (16, 2), 1), symmetric(2, (16, 1), 1), F.mse_loss, 'sgd'
    if workload == 'MLP-S':
        net = nn.Sequential(dense(0, 784, 256), nn.Sigmoid(), dense(2, 256, 10))
        return net, positive(1, (32, 784)), classes(32), F.cross_entropy, 'sgd'
    if workload == 'MLP-A':
        net = nn.Sequential(dense(0, 784, 512), nn.ReLU(), dense(2, 512, 512), nn.ReLU(), dense(4, 512, 10))
        return net, positive(1, (128, 784)), classes(128), F.cross_entropy, 'adam'
    if workload.startswith('MLP-M'):
        batch = int(workload[5:])
        net = nn.Sequential(dense(0, 784, 128), nn.ReLU(), dense(2, 128, 10))
        return net, positive(1, (batch, 784)), classes(batch), F.cross_entropy, 'adam'
    if workload == 'CNN':
        return Cnn(), positive(1, (32, 1, 28, 28)), classes(32), F.cross_entropy, 'adam'
    if workload == 'LSTM':
        return Lstm(), positive(1, (16, 32, 32)), classes(16), F.cross_entropy, 'adam'
    if workload == 'GPT':
        def loss(out, y):
            return F.cross_entropy(out.flatten(0, 1), y)
        return Gpt(), labels(1, 512, 65).view(8, 64), labels(2, 512, 65), loss, 'adam'
    raise ValueError('unknown workload ' + workload)


class Subject:
    def __init__(self, workload):
        self.net, self.x, self.y, self.loss, self.optimizer_name = make(workload)
        self.trained = [p for p in self.net.parameters() if p.requires_grad]
        self.first = [p.detach().clone() for p in self.trained]

    def reset(self):
        with torch.no_grad():
            for p, first in zip(self.trained, self.first):
                p.copy_(first)
        adam = self.optimizer_name == 'adam'
        self.optimizer = torch.optim.Adam(self.trained, lr=1e-3) if adam else torch.optim.SGD(self.trained, lr=0.1)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.net(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Kernel:
    """A single kernel of kernels.mjs, with its operands, into memory that is there already where PyTorch can."""

    def __init__(self, name):
        kind, *rest = name.split()
        image, large = (32, 64, 14, 14), 4 * 2 ** 20
        if kind == 'contract':
            m, n, k = (int(e) for e in rest[0].split('x'))
            form = rest[1]
            a = symmetric(1, (k, m) if form == 'AtB' else (m, k), 1)
            b = symmetric(2, (n, k) if form == 'ABt' else (k, n), 1)
            a, b = a.t() if form == 'AtB' else a, b.t() if form == 'ABt' else b
            out = torch.empty(m, n)
            self.run = lambda: torch.mm(a, b, out=out)
        elif kind == 'convolve':
            a, kernel = symmetric(1, image, 1), (64, 64, 3, 3)
            d, w = symmetric(2, image, 1), symmetric(2, kernel, 1)
            if rest[0] == 'forward':
                self.run = lambda: F.conv2d(a, w, padding=1)
            elif rest[0] == 'by-weights':
                self.run = lambda: torch.nn.grad.conv2d_weight(a, kernel, d, padding=1)
            else:
                self.run = lambda: torch.nn.grad.conv2d_input(image, w, a, padding=1)
        elif kind == 'adam':
            w, g, m, v = (symmetric(seed, (large,), 1).abs() + 0.1 for seed in (1, 2, 3, 4))
            w = nn.Parameter(w)
            w.grad = g
            optimizer = torch.optim.Adam([w], lr=1e-3)
            optimizer.state[w] = {'step': torch.tensor(9.), 'exp_avg': m, 'exp_avg_sq': v}
            self.run = lambda: optimizer.step() or w.detach()
        else:
            a = symmetric(1, (2 ** 20 if rest[0] == '1M' else large,), {'exp': 10, 'tanh': 4}.get(kind, 1))
            out = torch.empty_like(a)
            run = {'exp': torch.exp, 'tanh': torch.tanh, 'relu': lambda a, out: torch.clamp(a, min=0, out=out),
                   'add': lambda a, out: torch.add(a, a2, out=out)}[kind]
            a2 = symmetric(2, a.shape, 1) if kind == 'add' else None
            self.run = lambda: run(a, out=out)

    def reset(self):
        pass

    def step(self):
        with torch.no_grad():
            self.run()

    def samples(self):
        """The elements of the first result that samplesOf of kernels.mjs takes; None where they are not finite."""
        with torch.no_grad():
            result = self.run().reshape(-1)
        values = (result[i * (len(result) - 1) // 64].item() for i in range(65))
        return [v if math.isfinite(v) else None for v in values]


def burst(subject, at_least):
    """As in measure.mjs."""
    times, cpu = [], 0
    began = time.perf_counter()
    while True:
        subject.reset()
        subject.step()
        before = time.process_time()
        for _ in range(1, STEPS_BEFORE_RESET):
            start = time.perf_counter()
            subject.step()
            end = time.perf_counter()
            times.append(end - start)
            if (end - began) * 1e3 > at_least and len(times) > 1:
                break
        cpu += time.process_time() - before
        if (time.perf_counter() - began) * 1e3 >= at_least:
            return {'ms': float(np.median(times)) * 1e3, 'cpuMs': cpu / len(times) * 1e3, 'steps': len(times)}


def say(message):
    print(json.dumps(message), flush=True)


def main(argument):
    if argument == '--version':
        print(torch.__version__)
        return
    torch.set_num_threads(1)
    training = ' ' not in argument
    subject = Subject(argument) if training else Kernel(argument)
    subject.reset()
    first = {'losses': [subject.step() for _ in range(5)]} if training else {'samples': subject.samples()}
    say({'ready': True, **first, 'runtime': 'PyTorch ' + torch.__version__})
    for line in sys.stdin:
        say(burst(subject, float(line.split()[1])))


if __name__ == '__main__':
    main(sys.argv[1])
