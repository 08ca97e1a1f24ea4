"""The command line: one module a command, each with `add_arguments` and `run`.

A module is imported only when its command is called, since some need torch and others shall be
quick. `sources`, `connection`, `batch`, `coco` and `drawing` are what commands share.
"""


class CommandFailed(Exception):
    """The command cannot do what it was asked; the message is one line."""
