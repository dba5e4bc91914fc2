"""Pages for server-rendered sites: number, code, verified; they work without JavaScript."""
