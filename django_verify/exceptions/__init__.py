"""Every error a caller can meet, once, with its number on the wire and its HTTP status.

One module is one chapter of the vendor's reference; the rest of the package knows this one alone.
Configuration mistakes are Django's `ImproperlyConfigured` and stand outside this family.
Numbers are those of the vendor's error dictionary.
"""

from django_verify.exceptions.base import *
from django_verify.exceptions.clients import *
from django_verify.exceptions.entities import *
from django_verify.exceptions.fraud import *
from django_verify.exceptions.passkeys import *
from django_verify.exceptions.services import *
from django_verify.exceptions.verifications import *
