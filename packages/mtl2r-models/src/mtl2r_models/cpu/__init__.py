"""The CPU kernels of the rankers, behind functions with the signatures and results of torch's.

Each function takes the fast path where it applies, that is for ordinary tensors on the CPU, and
torch's operation elsewhere: on other devices, in compiled and exported graphs, under transforms of
`torch.func`, and inside a `plain` block. The results are the same to rounding; dropout draws other
random numbers.
"""

from ._attention import attend
from ._dropout import add_dropout, dropout, relu_dropout
from ._feedforward import feedforward
from ._plain import plain
from ._products import linear

__all__ = ["add_dropout", "attend", "dropout", "feedforward", "linear", "plain", "relu_dropout"]
