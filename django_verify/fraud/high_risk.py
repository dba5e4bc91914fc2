"""Countries that text messages are pumped to more than to others, as of a day.

They are those that Twilio keeps from being opened by its API, because they are known for a high
risk of fraud (error 30649 of its dictionary). The quick set of the admin blocks them; by default
no country is blocked.
"""

#: The day on which the list was read.
AS_OF = "2026-11-29"
COUNTRIES = frozenset("AZ BD DZ IL LK NG OM PK PS TJ TN".split())
