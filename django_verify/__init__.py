"""One's own Verify service inside Django; importing the package needs no settings."""

__version__ = "0.1.0"
