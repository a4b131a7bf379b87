"""What members decide together: proposals built from words, read back from calldata, and voted on."""
