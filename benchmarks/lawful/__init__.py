"""The lawful floor: the laws of a start and a check, by hand, on constant SQL and REST framework.

It keeps what must be kept: the attempt's row is the outbox, its sending is outside of every
transaction, a guess is charged by one conditional UPDATE committed on its own, the comparison takes
constant time, one conditional UPDATE approves, the code is derived, the recipient's budget is read
at the start, a key that is revoked counts at the next request. It has one channel, one sender, one
language, no services, no clients, and no way to change any of it.
"""
