"""Forecasts on pages: the numbers as bars and tables."""
