"""The user that drfpasswordless asks a site for: one with a mobile number."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A user who is known by a number alone."""

    username = models.CharField(max_length=36, default=uuid.uuid4, unique=True)
    mobile = models.CharField(max_length=17, unique=True)
