"""A playground: a crop, a pose that is drawn, the warp at once."""
