"""What an app may ask for without an account's credentials, and what its proofs are taken by."""
