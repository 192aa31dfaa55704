# Makes tests/golden/attention.json: values and gradients of PyTorch's attention and transformer layers, in doubles of f32 inputs.
# Run: python3 tests/golden/attention.py        (without PyTorch it makes a virtual environment and installs it there)
from normalisation import draw, record, torch, write
from torch import nn
from torch.nn import functional as F


def mha(embed, heads, **options):
    return nn.MultiheadAttention(embed, heads, batch_first=True, **options)


def itself(m, x):
    return m(x, x, x, need_weights=False)[0]


def causal(m, x):
    # PyTorch's module takes true for "may not attend".
    n = x.shape[-2]
    return m(x, x, x, need_weights=False, attn_mask=torch.ones(n, n, dtype=torch.bool).triu(1))[0]


def encoder(**options):
    return nn.TransformerEncoderLayer(4, 2, dim_feedforward=6, dropout=0.0, batch_first=True, **options)


class Attention(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, q, k, v, mask=None):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, **self.options)


class Rotary(nn.Module):
    """The formula of the paper: the pair 2i, 2i + 1 as one complex number, turned by position / 10000^(2i/E)."""
    def forward(self, x):
        length, width = x.shape[-2:]
        angle = torch.arange(length).double()[:, None] * 10000.0 ** (-torch.arange(0, width, 2).double() / width)
        turned = torch.view_as_complex(x.reshape(*x.shape[:-1], width // 2, 2)) * torch.polar(torch.ones_like(angle), angle)
        return torch.view_as_real(turned).reshape(x.shape)


def main():
    qkv = lambda q, k, v: {'q': draw(*q), 'k': draw(*k), 'v': draw(*v)}
    x = lambda *shape: {'x': draw(*shape)}
    one = lambda m, q, k, v: m(q, k, v)
    cross = lambda m, q, k, v: m(q, k, v, need_weights=False)[0]
    some = torch.tensor([[[True, False, True]], [[False, True, True]]])
    later = lambda n: torch.ones(n, n, dtype=torch.bool).triu(1)
    write('attention', {
        'attention': record(Attention(), qkv((2, 3, 4), (2, 5, 4), (2, 5, 2)), one),
        'attention, causal': record(Attention(is_causal=True), qkv((2, 2, 4, 3), (2, 2, 4, 3), (2, 2, 4, 3)), one),
        'attention, causal, more keys': record(Attention(is_causal=True), qkv((3, 2), (5, 2), (5, 2)), one),
        'attention, causal, more queries': record(Attention(is_causal=True), qkv((5, 2), (3, 2), (3, 2)), one),
        'attention, masked': record(Attention(), qkv((2, 4, 3), (2, 3, 3), (2, 3, 3)), lambda m, q, k, v: m(q, k, v, some)),
        'attention, biased': record(Attention(scale=0.3), {**qkv((2, 3, 4), (2, 5, 4), (2, 5, 2)), 'mask': draw(3, 5)}, lambda m, *t: m(*t)),
        'multiHeadAttention': record(mha(6, 2), x(2, 3, 6), itself),
        'multiHeadAttention, causal': record(mha(4, 4), x(2, 5, 4), causal),
        'multiHeadAttention without bias': record(mha(4, 1, bias=False), x(3, 4), itself),
        'multiHeadAttention across': record(mha(4, 2), qkv((2, 3, 4), (2, 5, 4), (2, 5, 4)), cross),
        'multiHeadAttention of other widths': record(mha(4, 2, kdim=3, vdim=5), qkv((2, 3, 4), (2, 2, 3), (2, 2, 5)), cross),
        'transformerEncoderLayer': record(encoder(), x(2, 3, 4)),
        'transformerEncoderLayer, norm first': record(encoder(norm_first=True), x(2, 3, 4)),
        'transformerEncoderLayer, gelu, without bias, causal': record(
            encoder(activation='gelu', bias=False, layer_norm_eps=1e-3), x(2, 3, 4), lambda m, t: m(t, src_mask=later(t.shape[-2]))),
        'transformerEncoder': record(
            nn.TransformerEncoder(encoder(norm_first=True), 2, norm=nn.LayerNorm(4), enable_nested_tensor=False), x(2, 3, 4)),
        'rotary': record(Rotary(), x(2, 3, 4)),
    })


if __name__ == '__main__':
    main()
