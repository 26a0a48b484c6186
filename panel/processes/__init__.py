"""Processes of one machine: the supervisor, the tie that ends them with it, the embedded broker. Nothing heavy here."""
