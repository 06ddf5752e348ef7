"""What was saved comes back where the optimizer needs it."""

import pytest

torch = pytest.importorskip("torch")

from golddiff.train.state import Progress, load_state, save_state  # noqa: E402


def test_everything_comes_back_on_the_device_of_the_weights(tmp_path) -> None:
    """PyTorch keeps the step of a fused AdamW on the weights' device; `meta` stands in for a GPU here."""
    saved = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([saved], fused=True)
    saved.grad = torch.ones(3)
    optimizer.step()
    save_state(tmp_path, "key", Progress(1, [0.5], 3, 1.0), {"w": saved}, optimizer)

    resumed = torch.nn.Parameter(torch.empty(3, device="meta"))
    again = torch.optim.AdamW([resumed])
    assert load_state(tmp_path, "key", {"w": resumed}, again) == Progress(1, [0.5], 3, 1.0)
    assert {name: value.device.type for name, value in again.state[resumed].items()} == {
        "step": "meta",
        "exp_avg": "meta",
        "exp_avg_sq": "meta",
    }
