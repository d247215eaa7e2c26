"""The paths by which code written for other runtimes imports base classes and components; the code is elsewhere."""
