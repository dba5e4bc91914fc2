"""Rules for texts that people outside this package write: placeholders, look-alike characters.

Nothing here reads a table or a setting; who says what to whom is in `messages`.
"""
