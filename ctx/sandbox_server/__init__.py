"""The program inside every sandbox: serves tools, files and readiness over HTTP, and runs nothing as root.

Not here: who may have a sandbox (the manager), and what the tools are called in Python (the client).
"""
