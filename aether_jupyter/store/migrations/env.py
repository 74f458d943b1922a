"""Alembic asks for this file; `store.migrate` runs the revisions without it."""
