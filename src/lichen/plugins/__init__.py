"""Parts that other packages add: found by their entry points, imported when a project names them."""
