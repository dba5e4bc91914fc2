"""An optional second app that keeps verified numbers for the users of the site."""
