"""An optional second app: whose number was verified, for the users of the site."""
