"""How a row of a peer's test cases is checked.

A row holds the name of the peer's test, our function, scores, labels, options and the value that
the peer's test expects, a number or a formula. Where a convention differs, a comment says how the
row was converted.
"""

import pytest
import torch

TENSORS = {"mask": torch.bool, "weights": torch.float64, "offsets": torch.int64}


@pytest.fixture
def check():
    def checked(function, scores, labels, options, expected, rtol=1e-6, atol=1e-9):
        s, y, value = (torch.tensor(x, dtype=torch.float64) for x in (scores, labels, expected))
        given = {
            name: torch.tensor(x, dtype=TENSORS[name]) if name in TENSORS else x
            for name, x in options.items()
        }
        torch.testing.assert_close(function(s, y, **given), value, rtol=rtol, atol=atol)

    return checked
