"""The command line. Shows events, foresight and history, and sends what the user asks; decides nothing itself."""
