"""Ready fleets to learn from and to start with: `lifecycle` is a company's customer lifecycle."""
