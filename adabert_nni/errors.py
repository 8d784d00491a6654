"""The one exception that users are meant to see.

Its message is one sentence that says where, what was got, what is allowed and what to do; the command
line prints it without a traceback. It knows nothing of the rest of the package.
"""


class AdaBertError(ValueError):
    """A mistake in the input or the surroundings that the user can mend."""
