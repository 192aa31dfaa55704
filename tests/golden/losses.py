# Run: python3 tests/golden/losses.py
# Writes tests/golden/losses.json: values and gradients of the losses in PyTorch, in float64 from inputs
# rounded to f32. Seeds are fixed.
from cases import case, exactly, floats, ints, torch, write
import torch.nn.functional as F

REDUCTIONS = ['mean', 'sum', 'none']

def each(name, options, inputs, f):
    """The case under each reduction; the default is not said."""
    for r in REDUCTIONS:
        case(name, options if r == 'mean' else {**options, 'reduction': r}, inputs, lambda **xs: f(r, **xs))

# Regression: among the differences are 0, ones at the bend of huber and smoothL1, and large ones.
pred = exactly([0.5, 1.5, -2.0, 3.25, 0.1, 40.0, -1e4, 0.0], 2, 4)
target = exactly([0.5, 0.5, -2.5, 3.0, 0.9, -40.0, 1e4, 0.0], 2, 4)
pair = {'pred': pred, 'target': target}
each('mse', {}, pair, lambda r, pred, target: F.mse_loss(pred, target, reduction=r))
case('halfSquaredError', {}, pair, lambda pred, target: 0.5 * ((pred - target) ** 2).sum())
case('halfSquaredError', {'reduction': 'mean'}, pair, lambda pred, target: 0.5 * F.mse_loss(pred, target))
each('mae', {}, pair, lambda r, pred, target: F.l1_loss(pred, target, reduction=r))
case('l1Loss', {}, pair, lambda pred, target: F.l1_loss(pred, target))
each('huber', {}, pair, lambda r, pred, target: F.huber_loss(pred, target, reduction=r))
case('huber', {'delta': 0.3}, pair, lambda pred, target: F.huber_loss(pred, target, delta=0.3))
each('smoothL1', {}, pair, lambda r, pred, target: F.smooth_l1_loss(pred, target, reduction=r))
case('smoothL1', {'beta': 0.25}, pair, lambda pred, target: F.smooth_l1_loss(pred, target, beta=0.25))
case('smoothL1', {'beta': 0}, pair, lambda pred, target: F.smooth_l1_loss(pred, target, beta=0.0))

# Binary. At p = 0 and 1 PyTorch's gradient is one of its own making, so that these are left to the other tests.
p, y = floats(2, 3, low=0.02, high=0.98), exactly([0, 1, 1, 0.25, 0, 0.9], 2, 3)
w = floats(3, low=0.2, high=2)
each('binaryCrossEntropy', {}, {'pred': p, 'target': y},
     lambda r, pred, target: F.binary_cross_entropy(pred, target, reduction=r))
case('binaryCrossEntropy', {}, {'pred': p, 'target': y, 'weight': w},
     lambda pred, target, weight: F.binary_cross_entropy(pred, target, weight=weight.detach()))
z = exactly([-2.5, 0.0, 1.25, 100, -1e4, 30], 2, 3)
logits = {'pred': z, 'target': y}
each('binaryCrossEntropyWithLogits', {}, logits,
     lambda r, pred, target: F.binary_cross_entropy_with_logits(pred, target, reduction=r))
case('binaryCrossEntropyWithLogits', {'posWeight': 2.5}, logits,
     lambda pred, target: F.binary_cross_entropy_with_logits(pred, target, pos_weight=torch.tensor(2.5, dtype=torch.float64)))
case('binaryCrossEntropyWithLogits', {}, {**logits, 'weight': w, 'posWeight': floats(3, low=0.2, high=3)},
     lambda pred, target, weight, posWeight: F.binary_cross_entropy_with_logits(
         pred, target, weight=weight.detach(), pos_weight=posWeight.detach()))

# Classes: PyTorch has them at axis 1, gradc at the last one.
rows, labels = floats(4, 5), ints([1, 4, 0, 2])
classes = [0.5, 1.0, 2.0, 0.25, 1.5]
tw = torch.tensor(classes, dtype=torch.float64)
indices = {'rows': rows, 'labels': labels}
each('softmaxCrossEntropy', {}, indices, lambda r, rows, labels: F.cross_entropy(rows, labels, reduction=r))
each('softmaxCrossEntropy', {'weight': classes}, indices,
     lambda r, rows, labels: F.cross_entropy(rows, labels, weight=tw, reduction=r))
each('softmaxCrossEntropy', {'labelSmoothing': 0.1}, indices,
     lambda r, rows, labels: F.cross_entropy(rows, labels, label_smoothing=0.1, reduction=r))
each('softmaxCrossEntropy', {'labelSmoothing': 0.3, 'weight': classes, 'ignoreIndex': 4}, indices,
     lambda r, rows, labels: F.cross_entropy(rows, labels, weight=tw, label_smoothing=0.3, ignore_index=4, reduction=r))
some = {'rows': rows, 'labels': ints([1, -100, 0, -100])}
each('softmaxCrossEntropy', {'ignoreIndex': -100}, some, lambda r, rows, labels: F.cross_entropy(rows, labels, reduction=r))
case('softmaxCrossEntropy', {}, {'rows': floats(2, 3, 4), 'labels': ints([1, 3, 0, 2, 2, 1], 2, 3)},
     lambda rows, labels: F.cross_entropy(rows.movedim(-1, 1), labels))
case('softmaxCrossEntropy', {}, {'rows': rows * 1e4, 'labels': labels}, lambda rows, labels: F.cross_entropy(rows, labels))
shares = torch.softmax(floats(4, 5), -1).float().double()
likely = {'rows': rows, 'labels': shares}
each('softmaxCrossEntropy', {}, likely, lambda r, rows, labels: F.cross_entropy(rows, labels, reduction=r))
case('softmaxCrossEntropy', {'weight': classes, 'labelSmoothing': 0.2}, likely,
     lambda rows, labels: F.cross_entropy(rows, labels, weight=tw, label_smoothing=0.2))
case('softmaxCrossEntropy', {}, {'rows': rows, 'labels': torch.eye(5, dtype=torch.float64)[[1, 4, 0, 2]]},
     lambda rows, labels: F.cross_entropy(rows, labels))

each('nll', {}, indices, lambda r, rows, labels: F.nll_loss(rows, labels, reduction=r))
each('nll', {'weight': classes, 'ignoreIndex': 2}, indices,
     lambda r, rows, labels: F.nll_loss(rows, labels, weight=tw, ignore_index=2, reduction=r))
each('multiMargin', {}, indices, lambda r, rows, labels: F.multi_margin_loss(rows, labels, reduction=r))
each('multiMargin', {'p': 2, 'margin': 0.5, 'weight': classes}, indices,
     lambda r, rows, labels: F.multi_margin_loss(rows, labels, p=2, margin=0.5, weight=tw, reduction=r))
case('perplexity', {}, indices, lambda rows, labels: F.cross_entropy(rows, labels).exp())

given = {'input': torch.log_softmax(floats(3, 4), -1).float().double(),
         'target': torch.softmax(floats(3, 4), -1).float().double()}
each('klDivergence', {}, given, lambda r, input, target: F.kl_div(input, target, reduction=r))
case('klDivergence', {'reduction': 'batchmean'}, given, lambda input, target: F.kl_div(input, target, reduction='batchmean'))
logs = {'input': given['input'], 'target': torch.log_softmax(floats(3, 4), -1).float().double()}
each('klDivergence', {'logTarget': True}, logs, lambda r, input, target: F.kl_div(input, target, log_target=True, reduction=r))

sides = {'pred': exactly([0.3, -0.8, 2.0, -5.0, 1.0], 5), 'target': exactly([1, 1, 1, -1, -1], 5)}
REDUCE = {'mean': torch.mean, 'sum': torch.sum, 'none': lambda t: t}
each('hinge', {}, sides, lambda r, pred, target: REDUCE[r](F.relu(1 - target * pred)))
case('hinge', {'margin': 0.25}, sides, lambda pred, target: F.relu(0.25 - target * pred).mean())

a, b, c = floats(4, 3), floats(4, 3), floats(4, 3)
case('cosineSimilarity', {}, {'x': a, 'y': b}, lambda x, y: F.cosine_similarity(x, y, dim=-1))
case('cosineSimilarity', {'axis': 0}, {'x': a, 'y': b}, lambda x, y: F.cosine_similarity(x, y, dim=0))
case('cosineSimilarity', {}, {'x': a.reshape(4, 1, 3), 'y': b[:2].reshape(1, 2, 3)},
     lambda x, y: F.cosine_similarity(x, y, dim=-1))
signs = ints([1, -1, -1, 1])
each('cosineEmbedding', {}, {'x': a, 'y': b, 'labels': signs},
     lambda r, x, y, labels: F.cosine_embedding_loss(x, y, labels, reduction=r))
case('cosineEmbedding', {'margin': -0.3}, {'x': a, 'y': b, 'labels': signs},
     lambda x, y, labels: F.cosine_embedding_loss(x, y, labels, margin=-0.3))
three = {'anchor': a, 'positive': b, 'negative': c}
each('tripletMargin', {}, three,
     lambda r, anchor, positive, negative: F.triplet_margin_loss(anchor, positive, negative, reduction=r))
each('tripletMargin', {'swap': True, 'margin': 2}, three,
     lambda r, anchor, positive, negative: F.triplet_margin_loss(anchor, positive, negative, margin=2.0, swap=True, reduction=r))
for p in [1, 3, 1.5]:
    case('tripletMargin', {'p': p, 'margin': 2}, three,
         lambda anchor, positive, negative: F.triplet_margin_loss(anchor, positive, negative, margin=2.0, p=p))

case('l1Penalty', {}, {'x': a, 'y': b}, lambda x, y: x.abs().sum() + y.abs().sum())
case('l2Penalty', {}, {'x': a, 'y': b}, lambda x, y: 0.5 * (x.square().sum() + y.square().sum()))

def reinforce(r, rows, labels, advantages, bonus=0.0):
    policy = torch.distributions.Categorical(logits=rows)
    return REDUCE[r](-policy.log_prob(labels) * advantages.detach() - bonus * policy.entropy())

acts = {**indices, 'advantages': floats(4)}
each('reinforce', {}, acts, lambda r, **xs: reinforce(r, **xs))
each('reinforce', {'entropyBonus': 0.1}, acts, lambda r, **xs: reinforce(r, **xs, bonus=0.1))

write('losses')
