"""The doors: HTTP and sockets over the kernel."""
