"""Consent and blocks: who may be written to, and the proof."""

from panel.consent.merging import ConsentPart
from panel.contacts.merging import also_merges

# Here, and not where it is needed first: whoever loads consent merges it with its contact.
also_merges.append(ConsentPart())
