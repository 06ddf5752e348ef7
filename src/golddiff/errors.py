"""The error tree. A type names the boundary that broke; the message names the value, what is allowed, what to run.

    GolddiffError                 exit code 1
    ├── UsageError                2   the command line asks for something that cannot be
    ├── InputError                3   a path, repository, transcript or file given to us is unusable
    │   └── ConfigError           3   golddiff.toml or the environment
    ├── WorkspaceError            4   the store cannot be opened, read or written
    ├── RightsError               5   a row has no verdict, or the verdict forbids this use
    ├── ModelError                6   a model is unknown, corrupt or cannot run here
    ├── SandboxError              7   untrusted code cannot be contained on this machine
    ├── UpstreamError             8   a model behind a URL did not answer usefully
    └── BudgetSpent               9   the money or time that was given is used up; what was finished is kept

Nothing outside `cli` catches `GolddiffError` to hide it: recording is the only part that must never raise.
"""


class GolddiffError(Exception):
    """Base of every error that golddiff raises on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(GolddiffError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class InputError(GolddiffError):
    """A path, repository, transcript or file that was given is unusable."""

    exit_code = 3


class ConfigError(InputError):
    """A setting in golddiff.toml or the environment is unknown or out of range."""


class WorkspaceError(GolddiffError):
    """The store cannot be opened, read or written."""

    exit_code = 4


class UnreachableError(WorkspaceError):
    """The place where large things are kept does not answer, or nobody said where it is: nothing is wrong with them."""


class RightsError(GolddiffError):
    """A row has no verdict, or its verdict forbids the use that was asked for."""

    exit_code = 5


class ModelError(GolddiffError):
    """A model is unknown, corrupt or cannot run on this machine."""

    exit_code = 6


class SandboxError(GolddiffError):
    """Untrusted code cannot be contained on this machine, so it is not run."""

    exit_code = 7


class UpstreamError(GolddiffError):
    """A model behind a URL did not answer usefully."""

    exit_code = 8


class BudgetSpent(GolddiffError):
    """The money or time that was given is used up; what was finished is kept, and the same command goes on."""

    exit_code = 9
