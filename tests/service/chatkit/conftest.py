"""ChatKit's own module of widgets warns of itself when it is imported."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import chatkit.types  # noqa: F401
