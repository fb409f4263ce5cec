"""The exceptions a person may meet; every message says what was wrong, where, and what to do.

::

    LivecomposerError
     ├── SettingsError (ValueError)      a flag, variable or TOML key out of range or unknown
     │    └── ProfileError               a device profile that cannot be used
     ├── PortError (OSError)             a MIDI or audio port
     │    ├── PortNotFound               nothing, or more than one thing, matches
     │    └── PortLost                   it was there and has gone
     ├── TasteError (ValueError)         a taste or model file that cannot be used
     │    └── ForeignTaste               a whole one, but of another agent, layout or version
     └── StoreError                      a file or folder that cannot be read or written

``cli`` turns each of them into one sentence on stderr and exit code 2.
"""


class LivecomposerError(Exception):
    """Root of the tree: anything the person at the keyboard can mend."""


class SettingsError(LivecomposerError, ValueError):
    """A setting is unknown or out of range."""


class ProfileError(SettingsError):
    """A device profile is unreadable or has an unknown key."""


class PortError(LivecomposerError, OSError):
    """A MIDI or audio port cannot be used."""


class PortNotFound(PortError):
    """No port, or more than one, matches what was asked for."""


class PortLost(PortError):
    """A port that was open has gone away."""


class TasteError(LivecomposerError, ValueError):
    """A taste or model file is damaged, foreign or from a newer version."""


class ForeignTaste(TasteError):
    """A taste or model file is whole, but another agent, layout or version has written it."""


class StoreError(LivecomposerError):
    """A file or folder cannot be read or written."""
