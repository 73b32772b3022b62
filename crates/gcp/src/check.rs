//! What only Google Cloud knows to be wrong with a declaration: regions, zones, versions, machine types, names and
//! labels.
