"""Messages, ports, device profiles and standard MIDI files."""
