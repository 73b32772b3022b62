//! Machine types and accelerators: cores, memory, and which zones have them.
