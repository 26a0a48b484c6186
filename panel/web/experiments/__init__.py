"""The page of a test: its numbers in words, as a picture, as a table."""
