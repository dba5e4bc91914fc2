"""The Verify v2 wire; with mobile/ the only room that imports REST framework."""
