//! What strict validation of a package adds to that of its description.
