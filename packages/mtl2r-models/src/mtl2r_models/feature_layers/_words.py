"""Embeddings of words, which come as codes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..checks import check_sizes

_WIDEST = 16


class WordEmbeddings(nn.Module):
    """A vector per word of each column: codes (..., column) to (..., width).

    A column of n codes has vectors of min(16, ⌈n / 2⌉) numbers. What is no code becomes the
    nearest one.

    Args:
        sizes: Numbers of codes of the columns.

    Attributes:
        width: Outputs per document.

    Raises:
        ValueError: For a size below 1.
        TypeError: For one that is not an int.

    Examples:
        >>> embeddings = WordEmbeddings([3, 40])
        >>> embeddings(torch.tensor([[0.0, 39.0], [2.0, 7.0]])).shape
        torch.Size([2, 18])
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        for size in sizes:
            check_sizes(words=size)
        self.sizes = tuple(sizes)
        widths = [min(_WIDEST, (size + 1) // 2) for size in sizes]
        self.width = sum(widths)
        self.tables = nn.ModuleList(
            nn.Embedding(size, width) for size, width in zip(sizes, widths, strict=True)
        )

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the vectors from the normal distribution of standard deviation 0.1."""
        for table in self.tables:
            nn.init.normal_(table.weight, std=0.1, generator=generator)  # type: ignore[arg-type]

    def forward(self, codes: Tensor) -> Tensor:
        """Map codes (..., column), as floats, to (..., width).

        Raises:
            TypeError: The type of the codes does not hold all of them exactly.
        """
        largest = 2 / torch.finfo(codes.dtype).eps
        if max(self.sizes) > largest:
            raise TypeError(
                f"`words` of {max(self.sizes)} codes need features of a type that holds them, "
                f"float32, got {codes.dtype}, which holds {largest:.0f}"
            )
        found = [
            table(codes[..., i].long().clamp(0, size - 1))
            for i, (table, size) in enumerate(zip(self.tables, self.sizes, strict=True))
        ]
        return torch.cat(found, dim=-1)
