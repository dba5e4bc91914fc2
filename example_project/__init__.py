"""The example site: the API, the admin and one page that verifies a number."""
