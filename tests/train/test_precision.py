import pytest

from golddiff.train.precision import cpu_has_bf16


@pytest.mark.parametrize(
    ("text", "native"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 fma\n", False),
        ("flags : avx512f avx512_bf16\n", True),
        ("flags : amx_tile amx_bf16\n", True),
        ("Features : fp asimd bf16\n", True),
        ("model name : bf16 flags\n", False),
    ],
)
def test_bf16_is_used_only_where_the_processor_has_it(tmp_path, text: str, native: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu_has_bf16(tmp_path / "cpuinfo") is native


def test_an_unknown_processor_stays_in_fp32(tmp_path) -> None:
    assert not cpu_has_bf16(tmp_path / "none")
