"""Files of rows and columns, in whatever format, as checked columns."""
