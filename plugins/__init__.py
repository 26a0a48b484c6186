"""Plugins that ship with Nava; always imported as `plugins.<id>`."""
