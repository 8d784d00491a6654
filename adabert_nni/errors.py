"""The one exception that users are meant to see.

Its message is one sentence that says where, what was got, what is allowed and what to do; the command
line prints it without a traceback. It knows nothing of the rest of the package.
"""


class AdaBertError(ValueError):
    """A mistake in the input or the surroundings that the user can mend."""


def first_line(error: BaseException) -> str:
    """What an error of a library says first; the rest is advice for programmers."""
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
