"""Cryptography: codes and the keys that derive them, and the signed tokens of JOSE.

No table is here; the signatures of events are in `events`, those of providers in `senders`.
"""
