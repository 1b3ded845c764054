"""The errors that are the user's to mend: one line each, exit status 2, no traceback."""


class UserError(ValueError):
    """Bad input or a missing tool; the message is one line that names file or field, bound and value.

    Whatever else is raised is a fault of ours and keeps its traceback.  (Files that cannot be written are
    `files.FileError`, an `OSError`.)
    """
