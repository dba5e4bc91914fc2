"""What is sent: the table of channels, the choice of a template, the finished message.

Nothing is sent here; that is `delivery`. The rules of the texts themselves are in `text`.
"""
