"""Telephone numbers, e-mail addresses and countries: their spellings and their names.

Nothing is sent or stored here. This is the only room that imports phonenumbers.
"""
