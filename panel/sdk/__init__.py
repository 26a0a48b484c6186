"""All that a plugin may import, besides `panel.hookspecs`. Everything here is documented and kept stable."""
