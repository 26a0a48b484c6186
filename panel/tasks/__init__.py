"""Tasks: what a colleague should do about a contact, given by a person or by a journey."""

from panel.contacts.erasing import also_forgets
from panel.tasks.erasing import forget_tasks

# Here, and not where it is needed first: whoever loads the tables erases tasks with their contact.
also_forgets.add(forget_tasks)
