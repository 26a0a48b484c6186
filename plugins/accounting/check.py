from __future__ import annotations


def steps(ctx, settings):
    return []
