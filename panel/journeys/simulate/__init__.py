"""What would happen: the engine itself on a clock that jumps from one due moment to the next, on a copy that is thrown
away.

simulate(session, contact_id, journey_id, ...)   one contact, day by day (`one`)
forecast(session, ...)                           everybody: messages, entries, collisions with limits, cost (`whole`)
"""
