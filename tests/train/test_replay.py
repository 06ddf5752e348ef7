"""What is replayed, and what the divergence from the base is."""

from datetime import UTC, datetime

import numpy as np
import pytest

from golddiff.models.load import load_for_training
from golddiff.models.renderer import choose_spec, load_renderer
from golddiff.train.r1 import choose_trained
from golddiff.train.replay import Anchor, conversations, pieces, plain_text
from golddiff.types import Clean, Example, Provenance
from tiny_llama import write_model, write_tokenizer

torch = pytest.importorskip("torch")


def test_pieces_hold_every_token_of_the_stream_once_but_for_the_rest_of_the_division() -> None:
    cut = pieces(list(range(100)), 12, seed=3)
    assert cut.shape == (8, 12)
    assert sorted(cut.flatten()) == list(range(96))
    assert np.array_equal(cut, pieces(list(range(100)), 12, seed=3))
    assert not np.array_equal(cut, pieces(list(range(100)), 12, seed=4))


def test_a_stream_shorter_than_a_piece_repeats_itself() -> None:
    assert pieces([1, 2, 3], 8, seed=0).tolist() == [[1, 2, 3, 1, 2, 3, 1, 2]]


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_drift_is_the_divergence_of_base_and_student_and_teaches_only_the_student(tmp_path, share: float) -> None:
    folder = write_model(tmp_path)
    base, student = load_for_training(folder), load_for_training(folder)
    trained = choose_trained(student, share)
    anchor, tokens = Anchor(student), torch.tensor([[5, 9, 40, 41]])
    assert anchor.drift(tokens).item() == pytest.approx(0, abs=1e-6)
    torch.manual_seed(0)
    with torch.no_grad():
        for value in trained.values():
            value += 0.3 * torch.randn_like(value)
    found = anchor.drift(tokens)
    with torch.no_grad():
        wanted, given = (model(input_ids=tokens).logits.double().softmax(-1) for model in (base, student))
    assert found.item() == pytest.approx((wanted * (wanted / given).log()).sum(-1).mean().item(), rel=1e-3)
    assert found.item() > 0.01
    found.backward()
    assert all((value.grad is not None) == value.requires_grad for value in student.parameters())


def rows(count: int) -> list[Example]:
    return [
        Example(
            id=f"example_{number}",
            kind="accepted",
            instruction=Clean("do it"),
            path="a.py",
            start_line=1,
            before=Clean(f"x = {number}\n"),
            after=Clean(f"y = {number}\n"),
            at=datetime(2026, 1, 1, tzinfo=UTC),
            provenance=Provenance(written_by="human"),
        )
        for number in range(count)
    ]


def test_plain_text_is_the_code_before_the_change_without_markers(tmp_path) -> None:
    write_tokenizer(tmp_path)
    renderer = load_renderer(tmp_path, choose_spec(tmp_path, "blocks"))
    assert renderer.text(plain_text(rows(3), renderer)) == "x = 0\nx = 1\nx = 2\n"


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_every_row_is_asked_once_with_two_others_solved_before_it(tmp_path, count: int) -> None:
    write_tokenizer(tmp_path)
    renderer = load_renderer(tmp_path, choose_spec(tmp_path, "chat"))
    asked = []
    for whole in "".join(renderer._tokenizer.decode(conversations(rows(count), renderer, 7), False)).split("system\n")[
        1:
    ]:
        *shots, last = [part.split("<|im_end|>")[0] for part in whole.split("user\n")[1:]]
        assert len(shots) == (2 if count > 2 else 0)
        assert last not in shots
        asked.append(last)
    assert sorted(asked) == sorted(f"do it\nx = {number}" for number in range(count))
