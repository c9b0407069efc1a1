"""Without the packages of the extras, an error says how to install them."""

import importlib
import sys

import pytest
import torch

from ltr_losses import ndcg
from ltr_losses.frames import per_query


def test_torchmetrics(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.delitem(sys.modules, "ltr_losses.torchmetrics", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'ltr-losses\[torchmetrics\]'"):
        importlib.import_module("ltr_losses.torchmetrics")


def test_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'ltr-losses\[pandas\]'"):
        per_query({"ndcg": ndcg}, torch.zeros(1, 2), torch.ones(1, 2))
