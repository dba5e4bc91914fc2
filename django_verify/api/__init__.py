"""The Verify v2 wire; what it shares with `mobile` of REST framework is in `rest`."""
