//! Virtual machine sizes: cores, memory and accelerators, and when Azure retires them.
