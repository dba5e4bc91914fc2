"""A site with an API of its own, which documents it by drf-spectacular as that is out of the box."""
