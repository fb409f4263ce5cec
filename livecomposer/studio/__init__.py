"""What is kept of a performance, and the page that shows it: a process of its own."""
