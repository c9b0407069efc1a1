"""Rankers in use: raw features in, scores out; saved as a folder, and exported as programs.

A saved ranker is a folder of three files. config.json names the architecture and its arguments, the
feature transform, the input columns, the tasks, and the checksum of the weights; model.safetensors
holds the parameters (``model.*``) and the transform's statistics (``transform.*``); README.md is
the model card. Loading one never runs code.
"""

from ._export import export_onnx, export_program
from ._ranker import Ranker, Ranking

__all__ = ["Ranker", "Ranking", "export_onnx", "export_program"]
