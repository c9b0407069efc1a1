"""The parts that networks are made of: attention, blocks, positions, members and heads."""

from ._attention import Attention, AttentionScale, attention_mask
from ._basics import Dropout, Linear, ReLUDropout
from ._blocks import Blocks, FeedForward, InducedBlock, Norm, TransformerBlock
from ._heads import Head, MixtureOfExperts, PerTaskScore, SharedScore, make_head
from ._members import MemberHead, Members
from ._positions import LearnedPositions, Positions, SinusoidalPositions, make_positions

__all__ = [
    "Attention",
    "AttentionScale",
    "Blocks",
    "Dropout",
    "FeedForward",
    "Head",
    "InducedBlock",
    "LearnedPositions",
    "Linear",
    "MemberHead",
    "Members",
    "MixtureOfExperts",
    "Norm",
    "PerTaskScore",
    "Positions",
    "ReLUDropout",
    "SharedScore",
    "SinusoidalPositions",
    "TransformerBlock",
    "attention_mask",
    "make_head",
    "make_positions",
]
