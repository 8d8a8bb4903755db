"""The error that a user can mend."""


class UserError(Exception):
    """A mistake that the user can mend. The text names the file or parameter, the bad value and what is allowed."""
