"""Words for people: mark English strings with `N_`, translate them with `translate` in the reader's language."""

from panel.i18n import N_, current_language, direction, translate

__all__ = ["N_", "current_language", "direction", "translate"]
