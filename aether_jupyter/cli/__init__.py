"""`aether`: agents in the terminal."""
