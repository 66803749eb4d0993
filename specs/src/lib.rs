//! What must hold: executable specifications, and the world in which the machines are checked.
