"""Does the guard stop SMS pumping, and whom does it refuse? It drives the real one."""
