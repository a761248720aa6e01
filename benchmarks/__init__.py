"""Measures what the design promises (section 9). Every figure stands beside a reference run in alternation with it."""
