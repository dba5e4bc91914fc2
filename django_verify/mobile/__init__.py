"""The endpoints for apps, which hold no account's credentials, and what accepts their proofs."""
