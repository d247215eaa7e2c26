"""Programs of the user that listen on a port of the box, visited from outside."""
