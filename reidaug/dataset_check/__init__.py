"""What is wrong with a re-ID dataset, and how to mend it."""
