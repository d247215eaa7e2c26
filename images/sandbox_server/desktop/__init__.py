"""The screen: the X server, the desktop on it, the door of its viewers, and `computer_use`, eyes and hands on it."""
