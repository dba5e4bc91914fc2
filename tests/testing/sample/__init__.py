"""A site as its developers have it: its own sign-up by telephone number, and the tests of that."""
