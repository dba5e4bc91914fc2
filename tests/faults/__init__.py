"""The fault matrix: real processes, a provider that fails as told, and what must hold all the same."""
