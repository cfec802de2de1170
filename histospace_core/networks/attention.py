"""The transformer block of the peers that use attention.

Source: Vaswani et al. 2017 (arXiv:1706.03762), with pre-normalisation as in ViT (arXiv:2010.11929).
"""

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class Block(nn.Module):
    """Attention and a two-layer perceptron, each with pre-normalisation and a skip connection.

    Parameters
    ----------
    width
        Features of a token.
    heads
        Number of attention heads; it divides `width`.
    mlp
        Width of the perceptron.
    """

    def __init__(self, width: int, heads: int, mlp: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.before = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, mlp),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp, width),
            nn.Dropout(dropout),
        )

    def forward(
        self, x: Tensor, context: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """Return tokens (n, t, width) after attention to themselves or to `context` (n, u, width).

        `bias` (heads, t, u) is added to the attention before its softmax.
        """
        normed = self.before(x)
        attended = normed if context is None else self.before(context)
        q = self.query(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.key_value(attended).chunk(2, -1)
        )
        # The function drops in evaluation mode too, unless it is told not to.
        dropout = self.dropout if self.training else 0.0
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(x)
