"""Exceptions of the package. Their text is that of the command line: one line that names the file, row or field."""

__all__ = ["FileError", "InputError", "UnimseError"]


class UnimseError(Exception):
    """Whatever the package itself refuses."""


class InputError(UnimseError, ValueError):
    """Values, options, or the content of a file, that cannot be used."""


class FileError(UnimseError, OSError):
    """A file or folder that the operating system does not let us read or write."""
