"""Processes of this machine."""

import os


def is_alive(process: int) -> bool:
    """Return whether there is a process of this number; numbers are used again."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True
