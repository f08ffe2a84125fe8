"""Hand-written operations with gradients of their own, in forms that each backend compiles well."""
