"""JupyterLab as a person meets it: a real server, real kernels and Chromium; only the model is a script."""
