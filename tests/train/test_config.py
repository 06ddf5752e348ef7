import pytest

from golddiff.errors import ConfigError
from golddiff.train import R1Config, config_from


def test_values_from_a_command_line_are_read_as_numbers() -> None:
    config = config_from({"learning_rate": "1e-4", "epochs": "2", "prompt_gradient": "true"})
    assert config == R1Config(learning_rate=1e-4, epochs=2, prompt_gradient=True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"learning_rat": 1}, "did you mean `learning_rate`"),
        ({"zzz": 1}, "known keys: renderer"),
        ({"epochs": 0}, ">= 1"),
        ({"epochs": "many"}, "int"),
    ],
)
def test_a_wrong_setting_is_an_error_that_helps(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config_from(values)


def test_every_setting_is_documented() -> None:
    import ast
    import inspect

    (body,) = ast.parse(inspect.getsource(R1Config)).body
    lines = body.body  # type: ignore[attr-defined]
    fields = [index for index, line in enumerate(lines) if isinstance(line, ast.AnnAssign)]
    assert len(fields) == len(R1Config.__struct_fields__)
    assert all(isinstance(lines[index + 1], ast.Expr) for index in fields)
