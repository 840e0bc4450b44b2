"""What the person who keeps the machine does: look after its health, keep copies, write the files that start it."""
