"""Rules for texts that people outside this package write: placeholders, look-alike characters.

Nothing here reads a table or a setting; messages are composed in `messages`.
"""
