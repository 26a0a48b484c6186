"""Ways to show what was sent: what a channel's messages look like, links in a text, pages of a document, pictures."""
