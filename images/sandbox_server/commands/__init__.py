"""Commands of the user: run at once, streamed, in the background, and on terminals."""
