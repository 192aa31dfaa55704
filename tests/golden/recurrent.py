# Makes tests/golden/recurrent.json: PyTorch's recurrent layers and CTC loss, values and gradients, in doubles of f32 inputs.
# Run: python3 tests/golden/recurrent.py        (without PyTorch it makes a virtual environment and installs it there)
from normalisation import flat, tensor, torch, write
from torch import nn
from torch.nn import functional as F

generator = torch.Generator().manual_seed(20261122)


def draw(*shape, scale=1.0):
    """Normal numbers that f32 holds exactly."""
    return (torch.randn(shape, generator=generator) * scale).float().double()


def differentiated(values, by):
    """All values, and the gradients of sum(value * weights)."""
    weights = {name: draw(*v.shape) for name, v in values.items()}
    sum((v * weights[name]).sum() for name, v in values.items()).backward()
    return {
        'values': {name: tensor(v) for name, v in values.items()}, 'weights': {name: flat(w) for name, w in weights.items()},
        'gradients': {name: flat(t.grad) for name, t in by.items()},
    }


def layer(module, shape, state=True):
    """One run from a given state (from zeros if there is none): outputs, last states, gradients by all that goes in."""
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(draw(*p.shape, scale=0.5))
    batch = shape[0] if module.batch_first else shape[1]
    rows = module.num_layers * (2 if module.bidirectional else 1)
    names = ['h', 'c'] if isinstance(module, nn.LSTM) else ['h']
    inputs = {'x': draw(*shape), **({name: draw(rows, batch, module.hidden_size) for name in names} if state else {})}
    for t in inputs.values():
        t.requires_grad_()
    start = [t for name, t in inputs.items() if name != 'x']
    out, last = module(inputs['x'], *([] if not state else [tuple(start) if len(start) > 1 else start[0]]))
    last = last if isinstance(last, tuple) else (last,)
    states = {name: flat(p) for name, p in module.named_parameters()}
    return {
        'inputs': {name: tensor(t) for name, t in inputs.items()}, 'states': states,
        **differentiated({'out': out, **dict(zip(names, last))}, {**inputs, **dict(module.named_parameters())}),
    }


def cell(module, batch):
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(draw(*p.shape, scale=0.5))
    names = ['h', 'c'] if isinstance(module, nn.LSTMCell) else ['h']
    inputs = {'x': draw(batch, module.input_size), **{name: draw(batch, module.hidden_size) for name in names}}
    for t in inputs.values():
        t.requires_grad_()
    start = [inputs[name] for name in names]
    given = module(inputs['x'], tuple(start) if len(start) > 1 else start[0])
    given = given if isinstance(given, tuple) else (given,)
    states = {name: flat(p) for name, p in module.named_parameters()}
    return {
        'inputs': {name: tensor(t) for name, t in inputs.items()}, 'states': states,
        **differentiated(dict(zip(names, given)), {**inputs, **dict(module.named_parameters())}),
    }


def ctc(shape, targets, lengths, counts, **options):
    """By the logits: PyTorch's gradient by log-probabilities already holds that of the log-softmax."""
    logits = draw(*shape, scale=2.0).requires_grad_()
    loss = F.ctc_loss(F.log_softmax(logits, 2), torch.tensor(targets), torch.tensor(lengths), torch.tensor(counts), **options)
    return {
        'inputs': {'logits': tensor(logits)}, 'targets': targets, 'lengths': lengths, 'counts': counts,
        **differentiated({'loss': loss}, {'logits': logits}),
    }


def main():
    batch = {'batch_first': True}
    cases = {
        'rnn': layer(nn.RNN(3, 4, **batch), (2, 5, 3)),
        'rnn, relu, 2 layers, from zeros': layer(nn.RNN(3, 4, 2, nonlinearity='relu', **batch), (2, 5, 3), False),
        'rnn, bidirectional, 2 layers': layer(nn.RNN(3, 2, 2, bidirectional=True, **batch), (2, 4, 3)),
        'lstm': layer(nn.LSTM(3, 4, **batch), (2, 5, 3)),
        'lstm, 2 layers, from zeros': layer(nn.LSTM(3, 4, 2, **batch), (2, 6, 3), False),
        'lstm, bidirectional, 2 layers': layer(nn.LSTM(2, 3, 2, bidirectional=True, **batch), (2, 4, 2)),
        'lstm, time first, without bias': layer(nn.LSTM(3, 2, bias=False), (5, 2, 3)),
        'gru': layer(nn.GRU(3, 4, **batch), (2, 5, 3)),
        'gru, 2 layers, from zeros': layer(nn.GRU(3, 4, 2, **batch), (2, 6, 3), False),
        'gru, bidirectional, 2 layers': layer(nn.GRU(2, 3, 2, bidirectional=True, **batch), (2, 4, 2)),
        'gru, time first, without bias': layer(nn.GRU(3, 2, bias=False), (5, 2, 3)),
        'rnnCell': cell(nn.RNNCell(3, 4), 2),
        'lstmCell': cell(nn.LSTMCell(3, 4), 2),
        'gruCell': cell(nn.GRUCell(3, 4), 2),
        'ctc': ctc((8, 3, 5), [[1, 2, 2], [3, 4, 1], [2, 1, 1]], [8, 7, 5], [3, 2, 1]),
        'ctc, sum, another blank': ctc((6, 2, 4), [[0, 0], [1, 2]], [6, 4], [2, 2], blank=3, reduction='sum'),
        'ctc, no reduction, empty target': ctc((5, 3, 4), [[1, 1, 3], [2, 0, 0], [0, 0, 0]], [5, 3, 4], [3, 1, 0], reduction='none'),
        'ctc, impossible counts 0': ctc((4, 2, 3), [[1, 1, 1], [2, 1, 0]], [4, 4], [3, 2], zero_infinity=True),
    }
    write('recurrent', cases)


if __name__ == '__main__':
    main()
