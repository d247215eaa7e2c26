"""MCP servers that users add to a box: their tools stand beside the box's own."""
