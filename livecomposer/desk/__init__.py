"""The parent process: it owns the terminal, watches over the others, and keeps files."""
