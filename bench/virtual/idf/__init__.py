"""ESP-IDF's libraries as the virtual applications use them, one module a component, in ESP-IDF's words."""
