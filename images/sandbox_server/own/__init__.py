"""Tools that an image of one's own brings: how they are described, and what runs them."""
