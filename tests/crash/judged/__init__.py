"""Tools of a stranger's server, submitted, judged, pinned, and killed around each of these records."""
