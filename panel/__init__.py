"""Nava: a panel, a timeline and journeys for small businesses. Importing this package does nothing."""
