"""What the screens of journeys are made of: judging a text, counting people, comparing versions, ready-made starts."""
