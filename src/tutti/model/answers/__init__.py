"""What the API answers, as types, a noun a module: the description of the API is made of them, and the client gives them back."""
