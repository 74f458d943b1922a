"""The remote framebuffer protocol (RFC 6143) as VNC servers speak it: a client, what viewers may send, and key symbols.

A shelf beside the seams: sandboxes hand out connections, the runtime draws and filters, tools press keys.
"""
