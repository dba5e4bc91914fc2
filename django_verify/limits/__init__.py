"""Rate limits: how often a caller may start, read or create something.

How often a code may be guessed is in `verifications`; what a limit is, in `models`.
"""
