"""Tests of the example site: its page, the demonstration, the development server."""
