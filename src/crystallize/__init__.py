"""Runs graphs of experiments and executes only what really changed."""
