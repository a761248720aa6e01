"""The terminal UI: screens that watch events and history and send what the user wants. None of them decides anything.

Textual is imported by this package alone, and the package only when it is opened.
"""
