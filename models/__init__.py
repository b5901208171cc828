"""What is stored, where it is, and how to reach it. Imports no other room."""
