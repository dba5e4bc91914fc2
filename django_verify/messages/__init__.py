"""What a message says: the table of channels, the choice of a template, the finished text.

Nothing is sent here; that is `delivery`. The rules of the texts themselves are in `text`.
"""
