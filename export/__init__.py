"""From checkpoints to files that anyone can run, and the runtime that runs them."""
