"""Time is added up over sittings at the same work, and starts again for other work."""

from pathlib import Path

import pytest

from golddiff.recipes.house_style.timing import Clock


def spend(path: Path, key: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> Clock:
    moments = iter([0.0, seconds])
    monkeypatch.setattr("golddiff.recipes.house_style.timing.time.monotonic", lambda: next(moments))
    clock = Clock(path)
    with clock.step("training", key):
        pass
    return clock


def test_going_on_adds_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spend(tmp_path / "t.json", "a", 60.0, monkeypatch)
    assert spend(tmp_path / "t.json", "a", 30.0, monkeypatch).minutes == 1.5


def test_other_work_begins_at_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spend(tmp_path / "t.json", "a", 60.0, monkeypatch)
    assert spend(tmp_path / "t.json", "b", 30.0, monkeypatch).seconds == {"training": 30.0}


def test_an_interrupted_step_is_counted(tmp_path: Path) -> None:
    def stopped() -> None:
        with Clock(tmp_path / "t.json").step("training", "a"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    again = Clock(tmp_path / "t.json")
    with again.step("training", "a"):
        pass
    assert again.seconds["training"] > 0


def test_a_damaged_file_is_no_time(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{")
    assert Clock(tmp_path / "t.json").minutes == 0
