"""Language models, one module a kind of provider; each is a plugin that imports nothing heavy until a model is made."""
