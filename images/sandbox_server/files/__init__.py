"""The workspace: its files read and written, moved as whole folders, watched, and given to agents as tools."""
