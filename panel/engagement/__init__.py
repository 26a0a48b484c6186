"""How contacts answer: which channel they prefer, and later how warm they are."""
