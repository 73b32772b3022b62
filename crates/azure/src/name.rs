//! Names that Azure accepts, made from where a resource stands, and tags, whose names admit none of `<>%&\?/`.
