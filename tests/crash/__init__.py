"""Servers that are killed, frozen, starved and locked out; and what must hold afterwards."""
