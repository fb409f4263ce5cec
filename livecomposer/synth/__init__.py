"""The built-in sound: a small synthesiser, so that nobody needs a device to hear the instrument."""
