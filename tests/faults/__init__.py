"""The fault matrix: real processes, a provider that fails as asked, and what must hold all the same."""
