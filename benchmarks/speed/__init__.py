"""Speed, part by part; see run.py."""
