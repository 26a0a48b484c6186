"""Turning events into what a person reads: one item per message, grouped by day, with reasons in words. No database
is opened here except in `queries`; everything else is plain functions on plain data."""
