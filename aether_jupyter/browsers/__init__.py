"""Leaves: browsers that agents can drive."""
