"""Measures a start and a check over HTTP against a floor written next to them."""
