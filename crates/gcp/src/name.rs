//! Names that Google Cloud accepts, made from where a resource stands, and labels, which are lower-case and admit no
//! `@`.
