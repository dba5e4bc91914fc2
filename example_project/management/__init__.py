"""Commands of the example site."""
