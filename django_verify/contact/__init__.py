"""Telephone numbers, e-mail addresses and countries: their spellings and their names.

Nothing is sent or stored here. This is the only room that imports phonenumbers.
"""

#: What a site reads that has installed neither of the two packages.
MISSING = (
    "django-verify needs phonenumbers or phonenumberslite, whichever the site prefers: install"
    " django-verify[phonenumbers] or django-verify[phonenumberslite]."
)
