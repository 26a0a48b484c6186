"""Journeys: what happens to whom, when, and why."""

from panel.contacts.merging import also_merges
from panel.journeys.merging import JourneysPart

# Here, and not where it is needed first: whoever loads journeys merges the runs of two cards with them.
also_merges.append(JourneysPart())
