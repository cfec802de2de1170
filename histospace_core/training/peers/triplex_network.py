"""The network of TRIPLEX: three attention branches and their fusion; source in `triplex`."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, mse_loss

from histospace_core.networks.attention import Block
from histospace_core.networks.encoders import to_input

WIDTH = 512
TARGET, AROUND = 7, 5
"""Number of tokens on a side of the target tile and of the neighbourhood."""
DISTILLED = 0.3
"""Weight of the fusion's prediction in the loss of each branch."""
_GLOBAL_LAYERS, _AROUND_LAYERS, _KERNEL = 3, 3, 3


class TRIPLEX(nn.Module):
    """Predicts expression (n, G) from tokens of spots, neighbourhoods and the section.

    Parameters
    ----------
    trunk
        A convolutional encoder of timm, which stays frozen.
    mean
        Mean training expression (G,), the initial bias of the heads.
    finetune
        Train a copy of the trunk in the target branch.
    """

    def __init__(self, trunk: nn.Module, mean: Tensor, finetune: bool) -> None:
        super().__init__()
        self.own_trunk = deepcopy(trunk) if finetune else None
        self.trunk = trunk.requires_grad_(False)
        n_features = int(trunk.num_features)  # type: ignore[arg-type]
        self.of_target = nn.Linear(n_features, WIDTH)
        self.of_around = nn.Linear(n_features, WIDTH)
        self.of_globe = nn.Linear(n_features, WIDTH)
        self.around = nn.ModuleList(Block(WIDTH, 16, WIDTH, 0.3) for _ in range(_AROUND_LAYERS))
        self.globe = nn.ModuleList(Block(WIDTH, 16, 4 * WIDTH, 0.1) for _ in range(_GLOBAL_LAYERS))
        self.lattice = nn.Conv2d(WIDTH, WIDTH, _KERNEL, padding=_KERNEL // 2, groups=WIDTH)
        self.fuse_target = Block(WIDTH, 4, 4 * WIDTH, 0.2)
        self.fuse_around = Block(WIDTH, 4, 4 * WIDTH, 0.2)
        self.head, *others = (nn.Linear(WIDTH, len(mean)) for _ in range(4))
        self.branch_heads = nn.ModuleList(others)
        for head in (self.head, *others):
            head.bias.data.copy_(mean)
        self.bias = nn.Parameter(torch.zeros(16, (2 * AROUND - 1) ** 2))
        self.offsets: Tensor
        self.register_buffer("offsets", _relative_offsets(AROUND), persistent=False)

    def tokens(self, pixels: Tensor, side: int = TARGET, *, own: bool = False) -> Tensor:
        """Encode pixels in [0, 1] as tokens (n, side^2, d); `own` uses the trained trunk."""
        trunk = self.own_trunk if own and self.own_trunk is not None else self.trunk
        grid = trunk.forward_features(to_input(trunk, pixels))  # type: ignore[operator]
        return adaptive_avg_pool2d(grid, side).flatten(2).transpose(1, 2)

    def pooled(self, pixels: Tensor) -> Tensor:
        """Return pooled features (n, d) of the frozen trunk."""
        return self.tokens(pixels, 1)[:, 0]

    def global_tokens(self, pooled: Tensor, positions: Tensor) -> Tensor:
        """Return global tokens (n, 512) of pooled tiles (n, d) at lattice positions (n, 2)."""
        x = self.of_globe(pooled)[None]
        for i, block in enumerate(self.globe):
            x = block(x)
            if i == 0:  # positions enter after the first block, as in the paper
                x = x + self._on_lattice(x[0], positions)[None]
        return x[0]

    def _on_lattice(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Convolve tokens over the lattice, 0 elsewhere; return them at the spots."""
        column, row = positions.T
        canvas = tokens.new_zeros(tokens.shape[1], int(row.max()) + 1, int(column.max()) + 1)
        canvas[:, row, column] = tokens.T
        return self.lattice(canvas[None])[0][:, row, column].T

    def forward(
        self, target: Tensor, around: Tensor, section: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return predictions (n, G) of the fusion and of the target, neighbour and global branch.

        Parameters
        ----------
        target, around : Tensor (n, 49, d), (n, 25, d)
            From `tokens`.
        section : Tensor (n, 512)
            From `global_tokens`.
        """
        t, a = self.of_target(target), self.of_around(around)
        for block in self.around:
            a = block(a, bias=self.bias[:, self.offsets])
        spot = section[:, None]
        fused = self.fuse_target(spot, context=t) + self.fuse_around(spot, context=a)
        branches = (t.mean(1), a.mean(1), section)
        own = [head(x) for head, x in zip(self.branch_heads, branches, strict=True)]
        return self.head(fused[:, 0]), own[0], own[1], own[2]

    @staticmethod
    def loss(predicted: tuple[Tensor, ...], truth: Tensor) -> Tensor:
        """Return the error of the fusion plus those of each branch to truth and fusion."""
        fused, *branches = predicted
        total = mse_loss(fused, truth)
        for branch in branches:
            total = total + (1 - DISTILLED) * mse_loss(branch, truth)
            # branches learn from the fusion, not it from them
            total = total + DISTILLED * mse_loss(branch, fused.detach())
        return total


def _relative_offsets(side: int) -> Tensor:
    """Return the index of the offset between any two places of a square, (side^2, side^2)."""
    place = torch.cartesian_prod(torch.arange(side), torch.arange(side))
    offset = place[:, None] - place[None] + side - 1
    return offset[..., 0] * (2 * side - 1) + offset[..., 1]
