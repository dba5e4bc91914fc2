"""A site whose users log in by a code that drfpasswordless sends to their number."""
