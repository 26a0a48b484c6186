"""Addresses for the world: no login, each one proves by itself who is calling."""
