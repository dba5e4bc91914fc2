"""Looking a number up: the vendor's Lookup API, versions 1 and 2, for clients that ask it first.

The numbering plans are read in `contact`, carriers in `verifications.carrier_lookup`.
"""
