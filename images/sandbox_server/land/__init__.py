"""Where programs run: the user land, in which all code of the user runs, and the processes in it and beside it."""
