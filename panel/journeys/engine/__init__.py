"""The journey engine: route, advance, deliver, reap, plan.

Each may be called at any time, by anyone, as often as one likes, and be killed at any instant. The queue only rings the
bell; everything that matters is a committed row.
"""
