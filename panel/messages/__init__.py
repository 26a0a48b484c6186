"""Templates, the ledger, and what is written by hand."""

from panel.contacts.erasing import also_forgets
from panel.messages.erasing import forget_personal_messages

also_forgets.add(forget_personal_messages)
