//! What only Azure knows to be wrong with a declaration: regions, zones, versions, machine sizes, names and tags.
