"""Commands of the example site, one a file."""
