"""The Python client: speaks HTTP to a server that runs Aether, from notebooks, scripts and the terminal."""
