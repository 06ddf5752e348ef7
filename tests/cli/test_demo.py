"""`golddiff demo` says what is simulated, and its report has the keys that were promised."""

from click.testing import CliRunner

from golddiff.cli.demo import command
from golddiff.recipes.house_style.report import ARMS, SIMULATED


def test_the_help_says_that_team_and_teacher_are_simulated() -> None:
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert "SIMULATED" in result.output
    assert "golddiff demo --output" in result.output


def test_what_is_simulated_and_what_is_real_is_said_before_anything_else() -> None:
    assert SIMULATED.startswith("Simulated: the team, its user and the teacher are scripts")


def test_every_arm_of_the_issue_has_its_key() -> None:
    assert list(ARMS) == [
        "theta_base",
        "theta_base_r0",
        "theta_student",
        "theta_first_attempts",
        "theta_shuffled",
        "theta_teacher",
    ]
